"""Log lines as text or JSON, one per record, with the run, role, window and attempt that it is about.

Both planes log through this module, so that one search finds every line about a window.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from pythonjsonlogger.json import JsonFormatter

from schemas.config.bars import LogFormat
from schemas.contract.task import WINDOW_ROLES, Role

LOG_FORMAT_ENV = "GURUKUL_LOG_FORMAT"
LOG_DIR_ENV = "GURUKUL_LOG_DIR"

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FACTS = ("run_id", "role", "window", "attempt", "device")

Fact = str | int

_subject: ContextVar[Mapping[str, Fact]] = ContextVar("what log lines are about", default={})  # noqa: B039 (only replaced)


class Facts(logging.Filter):
    """Add facts to each record: `constant`, then the subject of `about`; the record's own extra wins over both."""

    def __init__(self, **constant: Fact) -> None:
        super().__init__()
        self._constant = constant

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the facts to a record; always keeps it."""
        for name, value in {**self._constant, **_subject.get()}.items():
            record.__dict__.setdefault(name, value)
        return True


class TextLines(logging.Formatter):
    """Time, level, logger and message, then `key=value` for each known fact; a traceback follows on its own lines."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """One line of text, the facts at its end as key=value."""
        known = "".join(f" {name}={value}" for name, value in _facts_of(record).items())
        return super().formatMessage(record) + known


class JsonLines(JsonFormatter):
    """One ASCII JSON object per line: timestamp (UTC), level, logger, message, facts, pid, traceback; no nulls."""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill the object of one line: the standard fields, then the facts."""
        log_data["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        log_data["message"] = record.message or record.getMessage()
        log_data.update(_facts_of(record))
        log_data["pid"] = record.process or os.getpid()
        if "exc_info" in message_dict:
            log_data["traceback"] = message_dict["exc_info"]


def facts(run_id: str, role: Role, name: str, attempt: int) -> dict[str, Fact]:
    """Facts of an attempt for its log lines. `name` is the ledger's; it is a window only for roles that train one."""
    window: dict[str, Fact] = {"window": name} if role in WINDOW_ROLES else {}
    return {"run_id": run_id, "role": role.value, **window, "attempt": attempt}


@contextmanager
def about(subject: Mapping[str, Fact]) -> Iterator[None]:
    """Add `subject` to every record of this thread inside the block, besides that of an outer block."""
    token = _subject.set({**_subject.get(), **subject})
    try:
        yield
    finally:
        _subject.reset(token)


def formatted(handler: logging.Handler, log_format: LogFormat, **constant: Fact) -> logging.Handler:
    """Make the handler write in `log_format`, with `constant` in each of its lines; returns it."""
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    handler.addFilter(Facts(**constant))
    return handler


def log_everything(stream: TextIO, log_format: LogFormat, level: int | str, **constant: Fact) -> logging.Handler:
    """Send all records and warnings of this process to `stream` only; returns the handler."""
    handler = formatted(logging.StreamHandler(stream), log_format, **constant)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    return handler


def _facts_of(record: logging.LogRecord) -> dict[str, Fact]:
    values = record.__dict__
    return {name: values[name] for name in FACTS if values.get(name) is not None}
