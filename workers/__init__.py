"""The plane that computes: Celery workers, one process per device, and the learning code that they run."""
