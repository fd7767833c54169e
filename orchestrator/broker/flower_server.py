"""`python -P -m orchestrator.broker.flower_server`: the process that `orchestrator flower` becomes.

Flower takes its settings from the environment. The `celery` command would also run a `celeryconfig.py` of the working
folder.
"""

from celery import Celery

from schemas.redis.celery_loader import InstalledLoader

if __name__ == "__main__":
    # Flower needs no code of the workers. Every 5 s it asks them for events; without that request they send none.
    Celery("gurukul", loader=InstalledLoader, fixups=[]).start(["flower"])
