"""`ingest demo`: the service on recorded messages, watched from the reader's side."""
