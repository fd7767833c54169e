"""Start, find and check a Redis-protocol server."""
