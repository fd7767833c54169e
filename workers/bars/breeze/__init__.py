"""Read bars from ICICI Direct Breeze."""
