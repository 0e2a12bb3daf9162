"""A worker process: some connections, one sink. Started by the supervisor."""
