"""Answers about a stored run, computed on this host from its files."""
