"""Read bars from CSV and Parquet files."""
