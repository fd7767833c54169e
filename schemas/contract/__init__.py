"""What the planes exchange: runs, windows, tasks, events, artifacts, judgements, releases and the error tree."""
