"""Constraint files, one per Python version: the versions of the libraries that decide an artifact's bytes."""
