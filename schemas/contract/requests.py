"""Requests of the orchestrator to a worker process on this host, and the answers."""

from datetime import date
from typing import Literal

from pydantic import Field

from schemas.config.bars import BarsSettings, OwnSource
from schemas.config.features import FeatureName, Plugin
from schemas.config.interval import Interval
from schemas.config.judgement import OwnGate
from schemas.config.model_kinds import ModelRole
from schemas.config.plugged_kinds import KindName, Value
from schemas.config.side import SideRequest
from schemas.config.target import CLASS, Target
from schemas.config.training import FIXED
from schemas.config.tuning import Objective
from schemas.contract.artifact import Certificate, StudentMetadata, TeacherMetadata
from schemas.contract.base import Frozen
from schemas.contract.device import Device
from schemas.contract.feature_check import FeatureCheck
from schemas.contract.identifiers import RunId, Symbol
from schemas.contract.instant import Instant
from schemas.contract.judgement import GateReport
from schemas.contract.side import SideCoverage
from schemas.contract.task import Ingested, Role
from schemas.contract.universe import Universe
from schemas.contract.window import Window


class Answer(Frozen):
    """Base of every answer; `error` is a sentence if the request failed."""

    error: str | None = None


class PreflightRequest(Frozen):
    """Asks for the devices of this host (None: none) and for symbols of a source (none named: all).

    `trains`: workers of this host will train, so the libraries for that must be installed here, those of `model_extras`
    too.
    `read`: judge every symbol's bars as well, without storing them.
    `opens_source`: list the source's symbols. False checks only that what reads this source is installed.
    `scratch`: where what all symbols share of the source is kept for the ingestion; None keeps nothing.
    """

    devices: str | None
    bars: BarsSettings | None
    symbols: tuple[Symbol, ...]
    read: bool
    data_dir: str
    trains: bool = False
    model_extras: tuple[str, ...] = ()
    opens_source: bool = True
    scratch: str | None = None


class PreflightReport(Answer):
    """Devices, symbols and, if bars were read, the judgement of each.

    `passed_over` names what the source ignores; `understood` has sentences on the formats of its files.
    """

    devices: tuple[Device, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    ingested: dict[str, Ingested] = Field(default_factory=dict)
    passed_over: tuple[str, ...] = ()
    understood: tuple[str, ...] = ()


class ChosenModel(Frozen):
    """A kind of model that a run has chosen of a plug-in, its role, and what differs from the default parameters."""

    role: ModelRole
    kind: KindName
    changes: tuple[str, ...] = ()


class PluginQuestion(Frozen):
    """Asks what the plug-ins of the process define, and whether `features`, `label` and `source` exist.

    Each of `models` is tried as well: fitted twice on made rows, stored and read. `trains`: for a run, which must not
    use a feature or a label that reads later bars; those chosen are tried on made bars.
    """

    features: tuple[FeatureName, ...]
    models: tuple[ChosenModel, ...] = ()
    label: str = FIXED
    source: str = ""
    trains: bool = False


class FeatureFacts(Frozen):
    """A feature of the registry or of a plug-in; `source` is its origin, or the plug-in's file, `side` what it reads.

    `warmup_bars` is None where a value depends on all earlier bars.
    """

    name: str
    formula: str
    warmup_bars: int | None
    panel: bool
    source: str
    side: tuple[str, ...] = ()


class LabelFacts(Frozen):
    """A label of a plug-in; `source` is the plug-in's file, `side` what it reads."""

    name: str
    formula: str
    horizon_bars: int
    source: str
    target: Target = CLASS
    panel: bool = False
    side: tuple[str, ...] = ()


class PluginReport(Answer):
    """Plug-ins that define features, labels or models, all features in order, and plug-ins' labels, gates and sources.

    `columns` are those that the request stands for.

    `idle` maps the path of each plug-in of which nothing is asked for to a flag that would use it.
    """

    plugins: tuple[Plugin, ...] = ()
    features: tuple[FeatureFacts, ...] = ()
    labels: tuple[LabelFacts, ...] = ()
    columns: tuple[str, ...] = ()
    gates: tuple[OwnGate, ...] = ()
    sources: tuple[OwnSource, ...] = ()
    idle: dict[str, str] = Field(default_factory=dict)


# A gate of a plug-in judges a run in a process of its own, which is ended after so long.
OWN_GATE_LIMIT_S = 120.0


class GateQuestion(Frozen):
    """Asks for what one gate of the plug-ins finds in a validated run; `sha256` is its plug-in's, None for any."""

    data_dir: str
    run_id: RunId
    gate: str
    sha256: str | None
    release_dir: str


class GateAnswer(Answer):
    """What the gate found."""

    report: GateReport | None = None


class SideQuestion(Frozen):
    """Asks to read files of side data; `out`: the folder below which they are stored, None to store nothing."""

    files: tuple[SideRequest, ...] = Field(min_length=1)
    timezone: str
    out: str | None


class SideReport(Answer):
    """The files, in the order of the question."""

    files: tuple[SideCoverage, ...] = ()


class CheckRequest(Frozen):
    """Asks whether plug-ins' features and labels are what they should be, on bars of a source or on stored ones.

    `calendar` decides when a bar's decision is made, which decides what it sees of the files of `side`. A symbol that
    never belongs to the `universe` is left out.
    """

    data_dir: str
    interval: Interval
    timezone: str
    calendar: str
    side: tuple[SideRequest, ...] = ()
    universe: Universe | None = None
    bars: BarsSettings | None
    symbols: tuple[Symbol, ...]


class ModelCheck(Frozen):
    """A trial of a plug-in's model with its default parameters; `fault` is empty if it passed."""

    name: str
    roles: tuple[ModelRole, ...]
    parameters: dict[str, Value]
    fault: str = ""


class CheckReport(Answer):
    """The analysis of each feature and label, the trial of each model, and the symbols and bars that they used.

    `gates` are listed; `tried` has what each found in the run that it was tried on, by its name.
    """

    checks: tuple[FeatureCheck, ...] = ()
    models: tuple[ModelCheck, ...] = ()
    gates: tuple[OwnGate, ...] = ()
    tried: dict[str, GateAnswer] = Field(default_factory=dict)
    side: tuple[SideCoverage, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    bars: int = 0


class RunQuestion(Frozen):
    """Asks about a whole run."""

    data_dir: str
    run_id: RunId


class ChartLibraryQuestion(Frozen):
    """Asks for the JavaScript library that draws charts."""


class ChartLibrary(Answer):
    """Vega, Vega-Lite and Vega-Embed as one script."""

    script: str = ""


class PairedQuestion(RunQuestion):
    """Asks how much better a scored run is than `other`, on the days of both, by what a study maximises."""

    other: RunId
    objective: Objective


class PairedDifference(Answer):
    """The mean difference over days, run less other, and its standard error (EWC); both None if the two are equal.

    Of a loss: how much lower it is per row, by the mean of each day. Of alpha: that of the difference of the
    two books beside always long, bps per day.
    """

    days: int = 0
    difference: float | None = None
    standard_error: float | None = None


class MatrixRequest(RunQuestion):
    """Asks for the features of every bar of a run's symbols in a Parquet file; with `label`, of one window's rows."""

    out: str
    label: str | None = None


class MatrixWritten(Answer):
    """Rows and features of the file that was written."""

    rows: int = 0
    columns: tuple[str, ...] = ()


class OnnxRequest(RunQuestion):
    """Asks for the model of a window, by its label, as an ONNX file."""

    label: str
    role: Literal[Role.TEACHER, Role.STUDENT]
    out: str


class OnnxWritten(Answer):
    """Inputs of the file, kinds of its models, rows that it was compared on, and the largest difference on them.

    `of` is what differs: a probability, or a value as a share of the largest.
    """

    rows: int = 0
    features: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    difference: float = 0.0
    of: str = ""


class WindowQuestion(RunQuestion):
    """Asks about one window of a run, by its label; `rows` asks for each of its rows."""

    label: str
    rows: bool = False


class Part(Frozen):
    """Rows of a window that were used the same way, and their days: first and last decision, end of the last label.

    `positives` is None where labels are values.
    """

    name: str
    rows: int
    positives: int | None
    first: date
    last: date
    label_end: date


class LabelledRow(Frozen):
    """One row of a window, its instants and their days at the exchange.

    `prediction`, the probability of label 1 or the value: for a training row the teacher's out of fold, for a scored
    row the student's. Scored rows have no block and no weight.
    """

    symbol: str
    decided: Instant
    label_end: Instant
    day: date
    last_day: date
    part: str
    block: int | None
    label: int | float
    forward_return: float
    weight: float | None
    prediction: float


class Explanation(Answer):
    """One trained window: its rows, settings and scores."""

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
    """One artifact's file: its stored digest and that of the replayed file; None if there is no such file."""

    path: str
    stored: str | None
    again: str | None

    @property
    def equal(self) -> bool:
        """Whether the replayed file has the stored bytes."""
        return self.stored == self.again


class Replay(Answer):
    """A window trained again. `then_now` has the versions and bars that differ.

    `differences` has the largest one of a prediction by model: of a probability, or of a value in standard deviations
    of the scored labels. `tolerance` is the largest that is accepted on a GPU; None where files must be equal.
    """

    device: str = ""
    files: tuple[Compared, ...] = ()
    then_now: dict[str, tuple[str, str]] = Field(default_factory=dict)
    differences: dict[str, float] = Field(default_factory=dict)
    tolerance: float | None = None
    target: Target = CLASS


class Verification(Answer):
    """Every file of a run hashed again, every certificate proved again from the stored rows.

    `broken` has a sentence for each deviation from the record, `notes` for facts that are no fault of the run.
    `bundle` names the signer of the audit bundle, which the orchestrator checks; empty where there is none yet.
    """

    windows: int = 0
    files: int = 0
    certificates: int = 0
    spans: int = 0
    broken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bundle: str = ""
