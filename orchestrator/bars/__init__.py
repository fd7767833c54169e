"""The bar store as the orchestrator sees it: the coverage table, and symbols with the same series."""
