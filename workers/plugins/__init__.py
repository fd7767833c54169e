"""Users' plug-in files: loading them, and errors that name their lines."""
