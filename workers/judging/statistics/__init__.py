"""Statistical tests that the gates use."""
