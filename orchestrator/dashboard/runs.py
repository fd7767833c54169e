"""Lists the runs of a data folder. It reads them often, also while they run, and never writes."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from redis.exceptions import RedisError

from orchestrator.ledger.connection import stamp_of, written
from orchestrator.ledger.export import planned_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_status import RunCondition
from orchestrator.runs.compare import settings_of
from orchestrator.tuning.study_view import read_study
from schemas.config.target import VALUE
from schemas.config.training import target_of
from schemas.contract.conclusion import Conclusion
from schemas.contract.errors import GurukulError
from schemas.contract.identifiers import check_run_id
from schemas.contract.numbers import shown
from schemas.contract.run import RunStatus
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest
from schemas.redis.client import connect
from schemas.redis.keys import EVENTS_PREFIX

ELSEWHERE = "known only to the broker"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class StudyCount:
    """What a list shows of a study: trials that ended of those planned, and the best value in words.

    `fault` is why its trials cannot be read; empty if they can.
    """

    ended: int = 0
    planned: int = 0
    best: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Run:
    """A run as its ledger describes it now; `planned` and the counts are of students.

    `condition` is None for a run whose ledger this machine does not have. `took_s` is None until it has ended;
    `settings` are those that can change a result; `of_values`: whether its labels are values. `study` is None for a
    run that is no study.
    """

    run_id: str
    created: datetime
    condition: RunCondition | None
    layout: RunLayout
    recommendation: str | None = None
    conclusion: Conclusion | None = None
    planned: int = 0
    trained: int = 0
    skipped: int = 0
    failed: int = 0
    took_s: float | None = None
    settings: dict[str, object] | None = None
    of_values: bool = False
    study: StudyCount | None = None

    @property
    def status(self) -> RunStatus | None:
        """The status of its condition."""
        return self.condition.status if self.condition is not None else None

    @property
    def word(self) -> str:
        """The status as a word, of any run."""
        return ELSEWHERE if self.status is None else self.status.value

    @property
    def is_active(self) -> bool:
        """Whether a process runs it, as far as is known here."""
        return self.status is None or self.status.is_active


@dataclass(frozen=True)
class Damaged:
    """A folder whose run cannot be read, and why."""

    name: str
    why: str


def listed(data_dir: str) -> tuple[list[Run], list[Damaged]]:
    """List all runs, newest first, and the folders that could not be read. Trials belong to their study's run."""
    runs, damaged = [], []
    folders = sorted(Path(data_dir, "models").glob("[!.]*/"))
    for gone in set(_ENDED) - set(folders):
        _ENDED.pop(gone, None)
    for layout in map(RunLayout, folders):
        if layout.parent_study is not None:
            continue
        try:
            runs.append(read_run(layout))
        except GurukulError as error:
            damaged.append(Damaged(layout.folder.name, " ".join(str(error).split())))
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
    return [Run(run_id, LONG_AGO, None, layout) for run_id, layout in layouts.items() if not layout.manifest.is_file()]


def read_run(layout: RunLayout) -> Run:
    """Read one run; GurukulError if its folder does not hold a complete run.

    A run that has ended is read again only after its ledger or manifest has changed.
    """
    stamp = _stamp(layout)
    known = _ENDED.get(layout.folder)
    if known is not None and known[0] == stamp:
        return known[1]
    try:
        run = _read(layout)
    except (sqlite3.Error, OSError, ValueError) as error:
        raise GurukulError(f"{layout.folder} cannot be read: {error}") from None
    if not run.is_active:
        _ENDED[layout.folder] = (stamp, run)
    return run


# By folder: when its files were changed, and the run that they held then.
_ENDED: dict[Path, tuple[tuple[tuple[int, int], ...], Run]] = {}


def _stamp(layout: RunLayout) -> tuple[tuple[int, int], ...]:
    """Times of change and sizes of the files that a run is read from; zeros for one that is missing."""
    files = (layout.manifest, layout.study, layout.study_trials)
    return (*map(written, files), *stamp_of(layout.ledger))


def _read(layout: RunLayout) -> Run:
    run_id = check_run_id(layout.folder.name)
    head = _head(layout.manifest, *written(layout.manifest))
    if head.run_id != run_id:
        raise GurukulError(f"its run.json is of {head.run_id}")
    with closing(Ledger(layout.ledger, read_only=True)) as ledger:
        counts, conclusion, seconds = (
            ledger.counts(Role.STUDENT), ledger.get("conclusion"), ledger.get("duration_seconds"),
        )  # fmt: skip
        return Run(
            run_id=run_id,
            created=head.created,
            condition=ledger.condition(),
            layout=layout,
            recommendation=ledger.get("recommendation"),
            conclusion=Conclusion.model_validate(json.loads(conclusion)) if conclusion else None,
            planned=head.planned,
            trained=counts.get(Status.SUCCESS, 0),
            skipped=counts.get(Status.SKIPPED, 0),
            failed=counts.get(Status.FAILED, 0),
            took_s=float(seconds) if seconds else None,
            settings=head.settings,
            of_values=head.of_values,
            study=_counted(layout) if layout.study.is_file() else None,
        )


def _counted(layout: RunLayout) -> StudyCount:
    """The trials of a study, or why they cannot be read: the rest of its page can be shown."""
    try:
        view = read_study(layout)
    except GurukulError as error:
        return StudyCount(fault=f"{error}.")
    best, settings = view.best, view.study.settings
    words = "" if best is None else f"best {settings.objective} {shown(best.value, '+')}"
    return StudyCount(len(view.trials), settings.trials, words)


@dataclass(frozen=True)
class _Head:
    """What a list shows of `run.json`: a part of it, as the plan of a large run has megabytes."""

    run_id: str
    created: datetime
    planned: int
    settings: dict[str, object]
    of_values: bool


@lru_cache(maxsize=4096)
def _head(path: Path, mtime_ns: int, size: int) -> _Head:
    """Read a manifest's head, again whenever the file has changed."""
    manifest = read_manifest(RunLayout(path.parent))
    planned = len(planned_of(manifest, Role.STUDENT))
    of_values = target_of(manifest.config.label, manifest.config.plugged) == VALUE
    return _Head(manifest.run_id, manifest.created, planned, settings_of(manifest.config), of_values)
