"""Emit, follow and fold the events of a run."""
