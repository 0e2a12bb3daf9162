"""Order books: whether a stream of updates is whole, and what the book is. Pure."""
