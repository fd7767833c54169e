"""The Celery tasks: one per role, registered under the name that the orchestrator sends to."""

from typing import Any

from schemas.contract.task import TASK_NAMES, Role
from workers.celery.app import app
from workers.celery.pool import give_to_worker
from workers.celery.request import Request


def _register(role: Role) -> None:
    @app.task(name=TASK_NAMES[role], Request=Request)
    def run(message: dict[str, Any]) -> None:
        from workers.handlers.execute import execute  # only in the pool child

        give_to_worker(execute(role, message))


for _role in Role:
    _register(_role)
