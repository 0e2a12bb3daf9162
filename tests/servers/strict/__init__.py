"""A venue that enforces its published limits; see `__main__`."""
