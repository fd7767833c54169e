"""Sources of bars; each module has `symbols(...)` and `read(...)`."""
