"""Bars: sources, checks and the store."""
