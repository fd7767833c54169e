"""Messages to a worker, and their outcomes. They hold ids and small settings, never bars or models."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.config.bars import BarsSettings
from schemas.config.training import TrainingSettings
from schemas.contract.base import Frozen
from schemas.contract.coverage import Coverage, OddDays, Rejection
from schemas.contract.identifiers import RunId, Symbol
from schemas.contract.window import SkipReason, Window


class Role(StrEnum):
    """The kinds of work; one Celery task each."""

    INGEST = "ingest"
    TEACHER = "teacher"
    STUDENT = "student"
    VALIDATION = "validation"
    STATISTICS = "statistics"
    AUDIT = "audit"


# The roles that train a window; the others work on a symbol or on the whole run.
WINDOW_ROLES = (Role.TEACHER, Role.STUDENT)

TASK_NAMES = {
    Role.INGEST: "bars.ingest",
    Role.TEACHER: "teacher.train",
    Role.STUDENT: "student.train",
    Role.VALIDATION: "students.validate",
    Role.STATISTICS: "students.test",
    Role.AUDIT: "audit.render",
}


# What the ledger and every client's numbers can hold.
AttemptNumber = Annotated[int, Field(ge=0, lt=2**31)]


class Attempt(Frozen):
    """Fields of every message: the run and the number of the attempt.

    A message names its run and no folder of it: a worker works under the data folder that it was started for.
    """

    run_id: RunId
    attempt: AttemptNumber = Field(0, description="Fencing number: an outcome counts only under the newest.")
    telemetry: bool = True
    began: str = Field("", description="When the run began: an outcome counts only for that run of its name.")


class IngestTask(Attempt):
    """Read one symbol from a source, judge its bars, store them."""

    role: Literal[Role.INGEST] = Role.INGEST
    symbol: Symbol
    settings: BarsSettings


class Ingested(Frozen):
    """Result of ingesting a symbol. `months` has one digest per month, which finds symbols with the same bars."""

    stored: Coverage | None = None
    rejected: Rejection | None = None
    months: dict[str, str] = Field(default_factory=dict)
    odd_days: OddDays = OddDays()


class WindowTask(Attempt):
    """Train one role of one window."""

    role: Literal[Role.TEACHER, Role.STUDENT]
    window: Window
    settings: TrainingSettings
    bars: dict[Symbol, str] = Field(
        description="Digest of each symbol's stored file: of its own, and of all symbols of the run for base rates."
    )
    reuse: bool = Field(False, description="Take an artifact of equal key from another run, if there is one.")


class RunTask(Attempt):
    """Judge a whole run, or one gate of it: inputs are the run's own stored files; `run.json` names its releases.

    With a store, `inputs` is the SHA-256 of the list of these files, which the store has.
    """

    role: Literal[Role.VALIDATION, Role.STATISTICS, Role.AUDIT]
    gate: str | None = None
    inputs: str | None = None


Task = Annotated[IngestTask | WindowTask | RunTask, Field(discriminator="role")]


class Status(StrEnum):
    """End of a piece of work."""

    SUCCESS = "success"
    SKIPPED = "skipped"
    FAILED = "failed"


class FailureClass(StrEnum):
    """Kind of failure; only transient, oom and lost are tried again."""

    DATA = "data"
    TRANSIENT = "transient"
    BUG = "bug"
    OOM = "oom"
    TIMEOUT = "timeout"
    LOST = "lost"


RETRIED = frozenset({FailureClass.TRANSIENT, FailureClass.OOM, FailureClass.LOST})

Metric = float | int | str | bool | None


class Outcome(Frozen):
    """Result of one attempt."""

    run_id: RunId
    role: Role
    name: str
    attempt: AttemptNumber
    began: str = ""
    device: str
    status: Status
    reason: SkipReason | None = None
    failure: FailureClass | None = None
    message: str = ""
    traceback: str = ""
    metrics: dict[str, Metric] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)
    key: str | None = None
    reused_from: str | None = None
    ingested: Ingested | None = None
    duration_seconds: float = 0.0


def work_name(task: IngestTask | WindowTask | RunTask) -> str:
    """The name that, with the role, identifies a piece of work in a run."""
    if isinstance(task, IngestTask):
        return task.symbol
    return task.window.label if isinstance(task, WindowTask) else task.gate or task.run_id
