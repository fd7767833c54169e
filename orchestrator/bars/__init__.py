"""The bar store as the orchestrator sees it: coverage, duplicates, the ingest command."""
