"""A run from request to summary: preflight, session, settings, summary, comparison."""
