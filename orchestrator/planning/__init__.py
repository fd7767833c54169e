"""Which windows a run trains."""
