"""Every Redis key, script and client of the project."""
