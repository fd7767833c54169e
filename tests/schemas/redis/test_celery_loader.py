"""The Celery application of both planes."""

import pytest

from schemas.redis.celery_loader import OwnBroker


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"])
def test_a_variable_of_another_celery_program_names_no_broker(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Celery itself would connect there; workers would then wait at one broker and the orchestrator at another."""
    monkeypatch.setenv(name, "redis://elsewhere:1/0")
    with OwnBroker(set_as_current=False) as app:
        app.conf.update(broker_url="redis://:pw@here:2/3")
        for connection in (app.connection(), app.connection_for_read(), app.connection_for_write()):
            assert connection.as_uri() == "redis://:**@here:2/3"
