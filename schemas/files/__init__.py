"""Where files are stored, and how they are written and read."""
