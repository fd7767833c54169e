"""`python -P -m orchestrator.broker.flower_server`: the process that `orchestrator flower` becomes.

Flower takes its settings from the environment, and the broker from this application, whose TLS options its own client
reads as well. The `celery` command would also run a `celeryconfig.py` of the working folder.
"""

import os

from flower.urls import handlers
from flower.views.monitor import Metrics

from orchestrator.broker.bearer import FLOWER_TOKEN_ENV, gives
from schemas.redis.celery_loader import InstalledLoader, OwnBroker
from schemas.redis.client import BROKER_ENV, address_of


class GuardedMetrics(Metrics):  # type: ignore[misc]
    """Flower's metrics, which Flower serves to all, for a request with the token or the login."""

    async def get(self) -> None:
        """Answer, or 401."""
        token = os.environ[FLOWER_TOKEN_ENV]
        given = self.request.headers.get("Authorization", "")
        if (token and gives(given, token)) or self.get_current_user():
            await super().get()
        else:
            self.send_error(401)


if __name__ == "__main__":
    if FLOWER_TOKEN_ENV in os.environ:
        # The first handler of a path answers.
        handlers.insert(0, ("/metrics", GuardedMetrics))
    # Flower needs no code of the workers. Every 5 s it asks them for events; without that request they send none.
    app = OwnBroker("gurukul", loader=InstalledLoader, fixups=[])
    app.conf.update(address_of(os.environ[BROKER_ENV]).celery_settings())
    app.start(["flower"])
