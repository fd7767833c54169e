"""The SQLite record of a run: windows, attempts, outcomes, phases."""
