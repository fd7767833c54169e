"""Lists the runs of a data folder. It reads them often, also while they run, and never writes."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from pydantic import AwareDatetime, ConfigDict
from redis.exceptions import RedisError

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import RunCondition
from schemas.contract.base import Frozen
from schemas.contract.errors import GurukulError
from schemas.contract.identifiers import check_run_id
from schemas.contract.run import RunStatus
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_model
from schemas.redis.client import connect
from schemas.redis.keys import EVENTS_PREFIX

ELSEWHERE = "known only to the broker"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    """A run as its ledger describes it now; `trained` counts students.

    `condition` is None for a run whose ledger this machine does not have.
    """

    run_id: str
    created: datetime
    condition: RunCondition | None
    recommendation: str | None
    trained: int
    skipped: int
    failed: int
    layout: RunLayout

    @property
    def status(self) -> RunStatus | None:
        """The status of its condition."""
        return self.condition.status if self.condition is not None else None


@dataclass(frozen=True)
class Damaged:
    """A folder whose run cannot be read, and why."""

    name: str
    why: str


def listed(data_dir: str) -> tuple[list[Run], list[Damaged]]:
    """List all runs, newest first, and the folders that could not be read."""
    runs, damaged = [], []
    for folder in sorted(Path(data_dir, "models").glob("[!.]*/")):
        try:
            runs.append(read_run(RunLayout(folder)))
        except (GurukulError, sqlite3.Error, OSError, ValueError) as error:
            damaged.append(Damaged(folder.name, " ".join(str(error).split())))
    return sorted(runs, key=lambda run: run.created, reverse=True), damaged


def runs_on_broker(data_dir: str, broker: str | None) -> list[Run]:
    """Runs that only the broker knows: their files are on another host, or they are replayed from a log."""
    if broker is None:
        return []
    try:
        with connect(broker) as redis:
            found = {
                key.decode().removeprefix(EVENTS_PREFIX) for key in redis.scan_iter(f"{EVENTS_PREFIX}*", count=1000)
            }
    except (RedisError, GurukulError):
        return []  # the page shows that the broker is away
    layouts = {run_id: RunLayout.under(data_dir, run_id) for run_id in sorted(found)}
    return [
        Run(run_id, LONG_AGO, None, None, 0, 0, 0, layout)
        for run_id, layout in layouts.items()
        if not layout.manifest.is_file()
    ]


def read_run(layout: RunLayout) -> Run:
    """Read one run; GurukulError, sqlite3.Error, OSError or ValueError if its folder does not hold a complete run."""
    run_id = check_run_id(layout.folder.name)
    stat = layout.manifest.stat() if layout.manifest.is_file() else None
    head = _head(layout.manifest, stat.st_mtime_ns if stat else 0, stat.st_size if stat else 0)
    if head.run_id != run_id:
        raise GurukulError(f"its run.json is of {head.run_id}")
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        counts = ledger.counts(Role.STUDENT)
        return Run(
            run_id=run_id,
            created=head.created,
            condition=ledger.condition(),
            recommendation=ledger.get("recommendation"),
            trained=counts.get(Status.SUCCESS, 0),
            skipped=counts.get(Status.SKIPPED, 0),
            failed=counts.get(Status.FAILED, 0),
            layout=layout,
        )


class _Head(Frozen):
    """The part of `run.json` that a list shows."""

    model_config = ConfigDict(extra="ignore")

    run_id: str
    created: AwareDatetime


@lru_cache(maxsize=4096)
def _head(path: Path, mtime_ns: int, size: int) -> _Head:
    """Read a manifest's head, again whenever the file has changed."""
    return read_model(path, _Head)
