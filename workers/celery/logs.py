"""Log lines of a worker process and its pool children, in the project's format; printed text becomes log lines."""

import logging
import os
import sys
from typing import Any

from celery.apps import worker as celery_worker
from celery.utils.log import LoggingProxy

from schemas.config.bars import LogFormat
from schemas.files.log_lines import LOG_FORMAT_ENV, facts, log_everything
from schemas.redis.attempt_id import AttemptId
from workers.devices.failed_starts import ErrorKeeper, own_report
from workers.devices.pinning import current_device

printed = logging.getLogger("workers.printed")


class AttemptFacts(logging.Filter):
    """Adds the facts of an attempt, parsed from the task's id, to Celery's own log records about a task."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attempt that a task id names to a record of Celery; always keeps the record."""
        data: Any = getattr(record, "data", None)
        found = _facts_of(str(data["id"])) if isinstance(data, dict) and "id" in data else {}
        for name, value in found.items():
            record.__dict__.setdefault(name, value)
        return True


def set_up_logs(level: int) -> None:
    """Log to this process's stdout in the supervisor's format, with the device; printed text becomes log lines, too."""
    assert sys.__stdout__ is not None
    log_format: LogFormat = "json" if os.environ.get(LOG_FORMAT_ENV) == "json" else "text"
    handler = log_everything(sys.__stdout__, log_format, level, device=current_device().name)
    handler.addFilter(AttemptFacts())
    if (report := own_report()) is not None:
        logging.getLogger().addHandler(ErrorKeeper(report))
    sys.stdout = sys.stderr = LoggingProxy(printed, logging.WARNING)
    # Celery writes "worker: Warm shutdown" past sys.stdout; the supervisor logs the same.
    celery_worker.safe_say = lambda *_: None


def _facts_of(identity: str) -> dict[str, str | int]:
    """The facts in an attempt's id; none for the id of another program's task."""
    attempt = AttemptId.parse(identity)
    return {} if attempt is None else facts(*attempt)
