"""Market-data ingestion: exchange WebSockets to Redis Streams."""
