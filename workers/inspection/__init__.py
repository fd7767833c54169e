"""Answers about a stored run, computed in place from what lies on disk."""
