"""Celery entries, one line each: what they call is imported in the pool child alone."""

from typing import Any

from schemas.contract.task import TASK_NAMES, Role
from workers.celery.app import app


def _execute(role: Role, message: dict[str, Any]) -> None:
    from workers.handlers import execute as execution

    execution.execute(role, message)


@app.task(name=TASK_NAMES[Role.INGEST])
def ingest(message: dict[str, Any]) -> None:
    _execute(Role.INGEST, message)


@app.task(name=TASK_NAMES[Role.TEACHER])
def train_teacher(message: dict[str, Any]) -> None:
    _execute(Role.TEACHER, message)


@app.task(name=TASK_NAMES[Role.STUDENT])
def train_student(message: dict[str, Any]) -> None:
    _execute(Role.STUDENT, message)


@app.task(name=TASK_NAMES[Role.VALIDATION])
def validate_students(message: dict[str, Any]) -> None:
    _execute(Role.VALIDATION, message)


@app.task(name=TASK_NAMES[Role.STATISTICS])
def test_students(message: dict[str, Any]) -> None:
    _execute(Role.STATISTICS, message)


@app.task(name=TASK_NAMES[Role.AUDIT])
def render_audit(message: dict[str, Any]) -> None:
    _execute(Role.AUDIT, message)
