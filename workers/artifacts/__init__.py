"""Write, read and reuse the artifacts of a window."""
