"""`python -P -m orchestrator.broker.flower_server`: the process that `orchestrator flower` becomes.

Flower takes its settings from the environment, and the broker from this application, whose TLS options its own client
reads as well. The `celery` command would also run a `celeryconfig.py` of the working folder.
"""

import os

from schemas.redis.celery_loader import InstalledLoader, OwnBroker
from schemas.redis.client import BROKER_ENV, address_of

if __name__ == "__main__":
    # Flower needs no code of the workers. Every 5 s it asks them for events; without that request they send none.
    app = OwnBroker("gurukul", loader=InstalledLoader, fixups=[])
    app.conf.update(address_of(os.environ[BROKER_ENV]).celery_settings())
    app.start(["flower"])
