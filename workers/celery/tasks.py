"""The Celery tasks: one per role, registered under the name that the orchestrator sends to."""

from typing import Any

from schemas.contract.task import TASK_NAMES, Role
from workers.celery.app import app


def _register(role: Role) -> None:
    @app.task(name=TASK_NAMES[role])
    def run(message: dict[str, Any]) -> None:
        from workers.handlers.execute import execute  # only in the pool child

        execute(role, message)


for _role in Role:
    _register(_role)
