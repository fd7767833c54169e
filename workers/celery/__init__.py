"""The Celery application of a worker, its tasks, presence and logs."""
