"""`ingest record`: the feeds of a config, written to files instead of Redis."""
