"""What the orchestrator asks of a worker process about a stored run, and what comes back."""

from datetime import date

from pydantic import AwareDatetime, Field

from schemas.contract.artifact import Certificate, StudentMetadata, TeacherMetadata
from schemas.contract.base import Frozen
from schemas.contract.identifiers import RunId
from schemas.contract.window import Window


class Answer(Frozen):
    """What every answer has: a sentence, if the question cannot be answered."""

    error: str | None = None


class RunQuestion(Frozen):
    """About a whole run."""

    data_dir: str
    run_id: RunId


class WindowQuestion(RunQuestion):
    """About one window of a run, by its label; `rows` asks for every row of it."""

    label: str
    rows: bool = False


class Part(Frozen):
    """Rows of a window that were used alike, and their days: first and last decision, last label's end."""

    name: str
    rows: int
    positives: int
    first: date
    last: date
    label_end: date


class LabelledRow(Frozen):
    """One row of a window, its instants and the exchange's days that they fall on.

    `said` is what a teacher that never saw it says of a training row, and what the student says of a scored one; scored
    rows have no block and no weight.
    """

    symbol: str
    decided: AwareDatetime
    label_end: AwareDatetime
    day: date
    last_day: date
    part: str
    block: int | None
    label: int
    forward_return: float
    weight: float | None
    said: float


class Explanation(Answer):
    """One trained window: what it learned from, how, and how it scored."""

    window: Window | None = None
    parts: tuple[Part, ...] = ()
    purged: tuple[LabelledRow, ...] = ()
    rows: tuple[LabelledRow, ...] = ()
    ties: int = 0
    barriers: dict[str, int] = Field(default_factory=dict)
    importance: tuple[tuple[str, float], ...] = ()
    certificate: Certificate | None = None
    teacher: TeacherMetadata | None = None
    student: StudentMetadata | None = None


class Compared(Frozen):
    """One artifact's file: its stored digest and that of what was trained again; None where there is no such file."""

    path: str
    stored: str | None
    again: str | None

    @property
    def equal(self) -> bool:
        """Whether the replayed file has the stored bytes."""
        return self.stored == self.again


class Replay(Answer):
    """A window trained again. `then_now` has what differs in versions and bars, `differences` the largest |dp| by file.

    `tolerance` is what a probability may differ by where bits cannot be equal, on a GPU; None where they must be.
    """

    device: str = ""
    files: tuple[Compared, ...] = ()
    then_now: dict[str, tuple[str, str]] = Field(default_factory=dict)
    differences: dict[str, float] = Field(default_factory=dict)
    tolerance: float | None = None


class Verification(Answer):
    """Every file of a run hashed again, every certificate proved again from the stored rows.

    `broken` has a sentence for each thing that is not what was recorded, `notes` for what is no fault of the run.
    `bundle` says who signed the audit bundle, which the orchestrator checks; empty where there is none yet.
    """

    windows: int = 0
    files: int = 0
    certificates: int = 0
    spans: int = 0
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bundle: str = ""
