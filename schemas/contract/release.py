"""Types of releases: their content, the log of decisions, and requests to a release."""

from datetime import date
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.config.costs import CostRates, Costs
from schemas.config.features import CROSS_SECTION_FEATURES, OWN_FEATURES, FeatureChoice
from schemas.config.file_options import FileOptions
from schemas.config.interval import Interval
from schemas.config.side import SideName
from schemas.config.target import CLASS, Target
from schemas.contract.base import Frozen
from schemas.contract.identifiers import FolderName, RunId, Sha256, Symbol, Timezone
from schemas.contract.instant import Instant
from schemas.contract.judgement import Recommendation
from schemas.contract.requests import Answer

Environment = Literal["staging", "production"]
STAGING: Environment = "staging"
PRODUCTION: Environment = "production"
ENVIRONMENTS: tuple[Environment, ...] = (STAGING, PRODUCTION)
# Remedy of a release that cannot be read.
OTHER_RELEASE = "roll back, or deploy again"
FIRST_LINK = "0" * 64
# Largest accepted difference of a prediction between run and release, of a value above 1 as a share of it; another CPU
# may compute other last bits.
GOLDEN_TOLERANCE = 1e-12


class Action(StrEnum):
    """Kind of a line. A switch writes two lines: its announcement, then its completion or abandonment."""

    APPROVED = "approved"
    REJECTED = "rejected"
    DEPLOYING = "deploying"
    DEPLOYED = "deployed"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    ABANDONED = "abandoned"


class Entry(Frozen):
    """One line of `history.jsonl`; `previous_sha256`, the digest of the line before, makes a changed line detectable.

    `who` is the name given, `account` the one that the process ran under. Of an approval: `audit_sha256` is of the
    audit's manifest, `symbols` those that it is restricted to. Of a switch: `before` is the release that was live,
    `min_staging_hours` the minimum that applied, `release_sha256` of the release's manifest.
    """

    seq: int
    time: Instant
    action: Action
    who: str
    account: str
    run_id: RunId
    release_id: str | None = None
    before: str | None = None
    environment: Environment | None = None
    note: str = ""
    override: str | None = None
    recommendation: Recommendation | None = None
    trained_by: str = ""
    symbols: tuple[Symbol, ...] = ()
    audit_sha256: str | None = None
    min_staging_hours: float | None = None
    release_sha256: str | None = None
    previous_sha256: str


class Served(Frozen):
    """The student that serves a symbol: its folder in the release, its window, and the digests of its files."""

    folder: FolderName
    window: str
    start: date
    end: date
    metadata_sha256: str
    sha256: dict[str, str]


class Release(Frozen):
    """`release.json`: its run, its approval, its students, and all that predictions with them need.

    `basis` is the reason for the choice of students. `unseen` is the student for a symbol that none of them has seen,
    if one has learned from all symbols and the approval names none. Of the approval, `approval` is its line and
    `approval_sha256` that line's digest. `probe` are features of bars made by a formula, which show whether code still
    computes the same features. `chosen` are its students' features where they are neither all built-in ones nor the
    cross-section of these. `panel` has the symbols that features compare; it is empty for features of a symbol's own
    bars. `members` is the digest of the run's universe. A function of the run and its approval alone: built again it
    has the same bytes.
    """

    release_id: str
    run_id: RunId
    approval: Entry
    approval_sha256: str
    basis: str
    students: dict[Symbol, Served] = Field(min_length=1)
    unseen: Served | None = None
    features: tuple[str, ...]
    chosen: FeatureChoice | None = Field(None, exclude_if=lambda chosen: chosen is None)
    panel: tuple[Symbol, ...] = ()
    members: Sha256 | None = Field(None, exclude_if=lambda members: members is None)
    probe: tuple[float | None, ...]
    versions: dict[str, str]
    warmup_bars: int
    interval: Interval
    timezone: Timezone
    corporate_actions: str | None
    file_options: FileOptions = FileOptions()
    horizon_bars: int
    label: str
    target: Target = Field(CLASS, exclude_if=lambda target: target == CLASS)
    label_rule: str
    costs: Costs
    cost_bps: float
    slippage_bps: float
    order_value: float
    cost_rates: tuple[CostRates, ...]
    golden_sha256: str

    @property
    def feature_set(self) -> FeatureChoice:
        """The features of its students."""
        return self.chosen or (CROSS_SECTION_FEATURES if self.panel else OWN_FEATURES)

    @property
    def serves_unseen(self) -> bool:
        """Whether it predicts symbols that no student has seen; never where features compare its own symbols."""
        return self.unseen is not None and not self.panel


class GoldenRow(Frozen):
    """One scored bar of the run: its features (None where undefined) and its predicted probability."""

    time: Instant
    inputs: tuple[float | None, ...]
    expected: float


class Golden(Frozen):
    """`golden.json`: some rows of each symbol, and the scores that its student gave them in the run."""

    features: tuple[str, ...]
    rows: dict[Symbol, tuple[GoldenRow, ...]]


class GoldenRequest(Frozen):
    """Make golden vectors: for each symbol the folder of its student. `bars`: the file that the run read of each."""

    data_dir: str
    interval: Interval
    bars: dict[Symbol, str]
    students: dict[Symbol, str]


class GoldenMade(Answer):
    """Golden vectors that the serving code reproduces from the stored bars, and the probe of that code.

    `panel` and `chosen` as in `Release`.
    """

    golden: Golden | None = None
    probe: tuple[float | None, ...] = ()
    panel: tuple[Symbol, ...] = ()
    chosen: FeatureChoice | None = None


class GoldenCheck(Frozen):
    """Score a release's golden vectors with its own students; `data_dir` holds the record of its run."""

    release: str
    data_dir: str


class GoldenChecked(Answer):
    """Number of scored vectors, and the largest difference of a prediction, of a value above 1 as a share of it."""

    vectors: int = 0
    largest_difference: float = 0.0


class PredictRequest(Frozen):
    """Score the newest bars up to `as_of`, or today: stored ones, or those of `source`.

    `side`: files of side data by name, instead of those that the release's run was given; `universe`: a file of the
    universe, likewise.
    """

    release_dir: str
    data_dir: str
    environment: Environment
    symbols: tuple[Symbol, ...] = ()
    source: str | None = None
    as_of: date | None = None
    max_age_days: int | None = None
    out: str | None = None
    side: dict[SideName, str] = Field(default_factory=dict)
    universe: str | None = None


class Prediction(Frozen):
    """A student's prediction for a symbol's newest bar, and what the judged book holds.

    `probability` is of label 1, `value` the predicted label of a release whose labels are values; one of them is None.

    `weight` is the share of the capital that this bar's decision holds until its label ends, below 0 for short and 0
    for nothing; None where the book does not have the symbol, or not this bar. `trade`: whether it holds anything:
    in a long book where the prediction is above `trade_above`, with rank labels by rank among the release's symbols.

    `in_sample` marks a bar of the student's own window, which it may have learned from; `unseen` a symbol that the
    student has not learned from, whose prediction starts from the panel's base rate or mean.
    """

    symbol: Symbol
    bar: Instant
    session: date
    probability: float | None = Field(None, exclude_if=lambda number: number is None)
    value: float | None = Field(None, exclude_if=lambda number: number is None)
    trade_above: float | None
    trade: bool
    weight: float | None
    window: str
    in_sample: bool
    unseen: bool
    release_id: str

    @model_validator(mode="after")
    def _has_one_number(self) -> Self:
        if (self.probability is None) == (self.value is None):
            raise ValueError(f"a prediction of {self.symbol} has either a probability or a value, never both or none")
        return self

    @property
    def predicted(self) -> float:
        """The probability or the value."""
        number = self.value if self.probability is None else self.probability
        assert number is not None
        return number


class Refusal(Frozen):
    """A symbol that is not scored, and why."""

    symbol: Symbol
    reason: str


class Predictions(Answer):
    """Predictions and refusals; `seconds` is the time from request to answer without starting the process.

    `ranked` explains the weights of a long-short book; it is empty for a long one. `flat`: symbols whose student
    predicts the base rate (or the mean) alone, which are often several with one and the same number.
    """

    release_id: str = ""
    run_id: str = ""
    predictions: tuple[Prediction, ...] = ()
    refused: tuple[Refusal, ...] = ()
    ranked: str = ""
    flat: tuple[Symbol, ...] = ()
    seconds: float = 0.0
