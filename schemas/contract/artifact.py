"""Types of a run's files: manifests, metadata, rows and verdicts."""

import hashlib
import json
from datetime import date
from typing import Literal, NamedTuple

from pydantic import Field

from schemas.config.interval import periods_per_year
from schemas.config.run import RunConfig
from schemas.config.target import CLASS, Target
from schemas.config.training import TrainingSettings
from schemas.contract.base import Frozen
from schemas.contract.coverage import CoverageTable
from schemas.contract.device import Device
from schemas.contract.identifiers import FolderName, RunId
from schemas.contract.instant import Instant
from schemas.contract.plan import Plan
from schemas.contract.side import SideCoverage
from schemas.contract.task import FailureClass, Metric, Role, Status
from schemas.contract.window import SkipReason, Span, Window


class RunManifest(Frozen):
    """`run.json`: a run's config, bars and versions.

    Written before any work, and once more when the bars are known and windows planned on them. `trained_by` is the
    account that asked for it, or GURUKUL_USER. `side` describes the files of side data.
    """

    run_id: RunId
    created: Instant
    config: RunConfig
    devices: tuple[Device, ...]
    bars: CoverageTable | None
    plan: Plan
    versions: dict[str, str]
    trained_by: str = ""
    side: tuple[SideCoverage, ...] = Field((), exclude_if=lambda side: not side)

    @property
    def periods_per_year(self) -> int:
        """Returns per year of its book: of days, or of weekly bars of weeks."""
        weekdays = {day for row in (self.bars.symbols.values() if self.bars else ()) for day in row.weekdays}
        return periods_per_year(self.config.interval, weekdays)


class LabelCount(NamedTuple):
    """Weight of a symbol's positive labels and of all its labels, each by its uniqueness: independent labels."""

    positives: float
    total: float


class ValueSums(NamedTuple):
    """Of a symbol's labels that are values, each weighted by its uniqueness: their sum, weight, and sum of squares."""

    values: float
    total: float
    squares: float


# What is known of a symbol's labels at the end of a window.
KnownLabels = LabelCount | ValueSums


class TeacherInputs(Frozen):
    """Inputs that determine a teacher. `bars_sha256` is of each symbol's bars before its window's end.

    `label_counts` is of the labels of every symbol of the run that were known at the window's end: the base rate of
    every model, or the historical mean of values, follows from them.
    """

    role: Literal[Role.TEACHER] = Role.TEACHER
    window: Span
    settings: TrainingSettings
    bars_sha256: dict[str, str]
    label_counts: dict[str, KnownLabels]
    versions: dict[str, str]


class StudentInputs(Frozen):
    """Inputs that determine a student and its scores.

    `window` has the symbol PANEL for a student of all symbols. `bars_sha256` is of the bars from the first to the last
    that scoring reads, also of the panel's other symbols where its teacher sees them; `teacher_sha256` of its teacher's
    `metadata.json`; `label_counts` as of its teacher.
    """

    role: Literal[Role.STUDENT] = Role.STUDENT
    window: Window
    settings: TrainingSettings
    bars_sha256: dict[str, str]
    label_counts: dict[str, KnownLabels]
    teacher_sha256: str
    versions: dict[str, str]


def key_of(inputs: TeacherInputs | StudentInputs) -> str:
    """SHA-256 of the inputs as canonical JSON: artifacts with one key have the same bytes."""
    text = json.dumps(inputs.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Certificate(Frozen):
    """`teacher/certificate.json`: the leak checks of a window's rows, and the violations found."""

    window_label: str
    rows: int
    models: int
    spans_checked: int
    violations: tuple[str, ...]


class Losses(NamedTuple):
    """Mean losses of the base rate or historical mean, of the student without a teacher, the student, its teacher."""

    prior: float
    alone: float
    student: float
    teacher: float


class Agreement(Frozen):
    """Predictions of a student beside those of its teacher on the scored rows of a window.

    `agreement` is the share of rows that both put on the same side of the training base rate or mean; it and the rank
    correlation are None where one of the two predicts the same for every row. Differences are student less teacher.
    """

    rows: int
    agreement: float | None
    rank_correlation: float | None
    mean_difference: float
    mean_absolute_difference: float


class Fidelity(Agreement):
    """A student beside its teacher: probabilities, and log losses in nats."""

    log_loss: float
    log_loss_without_teacher: float
    teacher_log_loss: float
    prior_log_loss: float
    model_bytes: int

    @property
    def losses(self) -> Losses:
        """The losses of all predictions."""
        return Losses(self.prior_log_loss, self.log_loss_without_teacher, self.log_loss, self.teacher_log_loss)


class ValueFidelity(Agreement):
    """A student beside its teacher: predicted values, and mean squared errors; `prior` is the historical mean."""

    squared_error: float
    squared_error_without_teacher: float
    teacher_squared_error: float
    prior_squared_error: float
    model_bytes: int

    @property
    def losses(self) -> Losses:
        """The losses of all predictions."""
        return Losses(
            self.prior_squared_error, self.squared_error_without_teacher, self.squared_error, self.teacher_squared_error
        )


class TeacherMetadata(TeacherInputs):
    """`teacher/metadata.json`: a function of bars, settings and code; it holds no time, host or device.

    `offsets` has the logit of each symbol's base rate, which its probabilities begin from; `held_out` the blocks that
    each out-of-fold model was not fitted on, by its bit in the column `fitted_by` of the labels.
    """

    key: str
    features: tuple[str, ...]
    rows: dict[str, int]
    effective_rows: float
    prior: float
    rounds: int
    offsets: dict[str, float]
    held_out: tuple[tuple[int, ...], ...]
    parameters: dict[str, Metric]
    metrics: dict[str, Metric]
    sha256: dict[FolderName, str]


class StudentModel(Frozen):
    """`student/model.json`: a linear model folded to one dot product, what it adds to the logit of a base rate.

    Of `student/model.linear.json`: what it adds to a historical mean.

    `margin = intercept + sum(coefficients * x)` with each NaN of `x` replaced by `fill`.
    """

    kind: Literal["logistic", "linear"] = "logistic"
    features: tuple[str, ...]
    coefficients: tuple[float, ...]
    intercept: float
    fill: tuple[float, ...]


class Serving(Frozen):
    """`student/serving.json`: what turns a student's margin into the probability of each symbol.

    `p = sigmoid(offset + margin of the model + teacher_factor * margin of the teacher)`; the offset is the logit of
    the symbol's base rate, `panel_offset` for a symbol that the student has not seen. `trade_above` is the probability
    above which a trade pays, None if none does. Where `teacher_factor` is not 0, `teacher.ubj` lies beside it.

    With the `target` value the prediction is the sum itself, and offsets are historical means.
    """

    offsets: dict[str, float]
    panel_offset: float
    trade_above: dict[str, float | None]
    panel_trade_above: float | None
    teacher_factor: float
    target: Target = Field(CLASS, exclude_if=lambda target: target == CLASS)


class StudentMetadata(StudentInputs):
    """`student/metadata.json`: a function of bars, settings and code.

    Of each symbol that it is scored on: `priors` has the base rate that the student adds to, over all labels known by
    then, drawn to the panel's share; `window_shares` the share of positives over the window's own rows, a weaker
    baseline; `trade_above` as in `serving.json`. Of values both are means.
    """

    key: str
    features: tuple[str, ...]
    rows: dict[str, int]
    priors: dict[str, float]
    window_shares: dict[str, float]
    trade_above: dict[str, float | None]
    fidelity: Fidelity | ValueFidelity
    metrics: dict[str, Metric]
    sha256: dict[FolderName, str]


METADATA_KINDS: dict[Role, type[TeacherMetadata | StudentMetadata]] = {
    Role.TEACHER: TeacherMetadata,
    Role.STUDENT: StudentMetadata,
}


class RunRow(Frozen):
    """One row of `teacher_runs.json` or `student_runs.json`: a window's outcome and its circumstances."""

    run_id: RunId
    role: Role
    window_label: FolderName
    symbol: str
    start: date
    end: date
    status: Status
    reason: SkipReason | None = None
    failure: FailureClass | None = None
    message: str = ""
    artifacts: str | None = None
    metadata_sha256: str | None = None
    key: str | None = None
    reused_from: str | None = None
    metrics: dict[str, Metric] = Field(default_factory=dict)
    device: str | None = None
    attempts: int = 0
    duration_seconds: float | None = None
    finished: Instant | None = None
