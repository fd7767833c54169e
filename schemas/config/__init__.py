"""The settings, one model per concern. Each field is also a flag, an environment variable and a TOML key."""
