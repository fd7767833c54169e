"""What the project keeps in Redis: its keys, its scripts, and the only place where clients are made."""
