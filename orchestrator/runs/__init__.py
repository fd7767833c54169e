"""A run from request to summary: preflight, session, lookup, comparison."""
