"""The promises kept in Redis."""
