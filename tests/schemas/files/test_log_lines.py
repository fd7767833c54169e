"""Log lines in text and JSON: one per record, with the subject of the record."""

import io
import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.runs.runtime import logging_to
from schemas.config.bars import IngestConfig, LogFormat
from schemas.contract.task import Role
from schemas.files.log_lines import about, facts, formatted
from tests.json_log import read_lines
from workers.celery.logs import AttemptFacts

WINDOW = facts("trial", Role.TEACHER, "TCS_2024-01-01_2024-03-31", 2)


@pytest.fixture
def logger() -> logging.Logger:
    """A logger without other handlers, because some of its messages cannot be printed as text."""
    return logging.Logger("tests.logs", logging.INFO)


def written(logger: logging.Logger, log_format: LogFormat, **constant: str) -> io.StringIO:
    """Lines that the logger writes from now on."""
    stream = io.StringIO()
    logger.addHandler(formatted(logging.StreamHandler(stream), log_format, **constant))
    return stream


def test_a_json_line_holds_known_facts_only(logger: logging.Logger) -> None:
    """Timestamp in UTC with its offset, level, logger, message, pid; facts only where there are some."""
    stream = written(logger, "json")
    before = datetime.now(UTC).replace(microsecond=0)
    logger.info("phase %s begins", "audit")
    with about(WINDOW):
        logger.warning("slow", extra={"device": "cpu0@host"})
    bare, full = read_lines(stream.getvalue())
    assert set(bare) == {"timestamp", "level", "logger", "message", "pid"}
    assert (bare["level"], bare["logger"], bare["message"]) == ("INFO", "tests.logs", "phase audit begins")
    logged_at = datetime.fromisoformat(bare["timestamp"])
    assert logged_at.utcoffset() is not None and before <= logged_at <= datetime.now(UTC)
    assert {key: full[key] for key in (*WINDOW, "device")} == {**WINDOW, "device": "cpu0@host"}


def test_no_message_breaks_the_line(logger: logging.Logger) -> None:
    """Line breaks of every kind, quotes, tracebacks and half a surrogate pair stay inside one JSON line."""
    stream = written(logger, "json")
    hostile = 'a\nb\r\nc\u2028d\x85e"}{\ud800'
    logger.info(hostile)
    try:
        raise ValueError(hostile)
    except ValueError:
        logger.exception("it failed")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["message"] == hostile
    assert json.loads(lines[1])["traceback"].startswith("Traceback (most recent call last):\n")


def test_the_nearest_fact_wins(logger: logging.Logger) -> None:
    """A record's own extra overrides the block's facts, these override the handler's; they end with the block."""
    stream = written(logger, "json", run_id="handler", device="handler")
    with about({"run_id": "block", "attempt": 1}):
        with about({"attempt": 2}):
            logger.info("inner", extra={"run_id": "own"})
        logger.info("outer")
    logger.info("outside")
    found = [(line["run_id"], line.get("attempt"), line["device"]) for line in read_lines(stream.getvalue())]
    assert found == [("own", 2, "handler"), ("block", 1, "handler"), ("handler", None, "handler")]


def test_a_text_line_ends_with_its_facts(logger: logging.Logger) -> None:
    """The message first, then `key=value` words; a traceback comes after them."""
    stream = written(logger, "text")
    with about(WINDOW):
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("it failed")
    logger.info("alone")
    first, *traceback, last = stream.getvalue().splitlines()
    assert first.endswith(
        " ERROR tests.logs: it failed run_id=trial role=teacher window=TCS_2024-01-01_2024-03-31 attempt=2"
    )
    assert traceback[0] == "Traceback (most recent call last):"
    assert last.endswith(" INFO tests.logs: alone")


def test_only_roles_that_train_a_window_name_one() -> None:
    """The name of other work is a symbol or a gate, so it is not logged as a window."""
    named = {role for role in Role if "window" in facts("trial", role, "name", 0)}
    assert named == {Role.TEACHER, Role.STUDENT}


def test_celerys_line_about_a_task_has_the_attempt(logger: logging.Logger) -> None:
    """The facts come from the task's id; an id of another form gives none."""
    stream = written(logger, "json")
    logger.handlers[0].addFilter(AttemptFacts())
    logger.info("received", extra={"data": {"id": "trial/teacher/TCS_2024-01-01_2024-03-31/2"}})
    logger.info("received", extra={"data": {"id": "5f1c"}})
    known, unknown = read_lines(stream.getvalue())
    assert {key: known[key] for key in WINDOW} == WINDOW
    assert "run_id" not in unknown


def test_a_runs_log_is_text_by_default_and_carries_its_id(tmp_path: Path) -> None:
    """Every line logged during a run has the run's id; after the run no line is added."""
    path = tmp_path / "logs" / "trial.log"
    with logging_to(path, IngestConfig().log_format, "trial"):
        logging.getLogger("orchestrator.any").info("phase begins")
    logging.getLogger("orchestrator.any").error("too late")
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert line.endswith(" INFO orchestrator.any: phase begins run_id=trial")


# Many long lines from one process to the end of a shared file.
WRITER = """
import logging, sys
from schemas.files.log_lines import formatted
path, number = sys.argv[1:]
handler = formatted(logging.FileHandler(path, encoding="utf-8"), "json")
for _ in range(200):
    handler.handle(logging.makeLogRecord({"name": number, "msg": number * 20_000, "levelname": "INFO"}))
"""


def test_long_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    """Four processes append 200 lines of 20 kB each to one file; every line is one process's own, whole."""
    path = tmp_path / "shared.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(number)]) for number in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = read_lines(path.read_text(encoding="utf-8"))
    assert len(lines) == 800
    assert all(line["message"] == line["logger"] * 20_000 for line in lines)
