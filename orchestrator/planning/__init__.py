"""Plan the windows that a run trains."""
