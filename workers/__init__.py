"""The plane that computes: Celery workers, one process a device, and the learning they do."""
