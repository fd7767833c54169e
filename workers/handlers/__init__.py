"""One handler per task: ingest, train, judge, audit."""
