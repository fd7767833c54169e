"""The project's data in Redis: keys, scripts, and the creation of clients."""
