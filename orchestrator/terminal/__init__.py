"""Show runs in a terminal, or as plain lines in a pipe."""
