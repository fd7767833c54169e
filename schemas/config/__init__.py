"""Settings that a person can give; each field is a flag, an environment variable and a TOML key."""
