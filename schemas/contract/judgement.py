"""Results of judging a run: scores, trading results, gates, a recommendation."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum

from pydantic import Field

from schemas.config.judgement import GateSettings
from schemas.config.target import CLASS, LOSSES, VALUE, Loss, Target
from schemas.contract.base import Frozen
from schemas.contract.identifiers import RunId
from schemas.contract.task import Metric

# Tests that sentences about a run refer to, and the strategies that it is compared with.
LOG_LOSS_IMPROVEMENT = LOSSES[CLASS].improvement
SQUARED_ERROR_IMPROVEMENT = LOSSES[VALUE].improvement
LABEL_PERMUTATION = "label permutation"
ALPHA = "alpha beside always long"
NET_RETURN = "net return per day"
NOT_WORSE_THAN_LIVE = "not worse than the live release"
STUDENT, ALWAYS_LONG = "student", "always long"
# Tables and charts mark numbers of fewer rows.
FEW_ROWS = 30


class Ordering(Frozen):
    """How well a model orders the symbols of an instant by their forward returns; None where not computable.

    `rank_ic` is the mean daily rank correlation with the forward return over the symbols of an instant;
    `tail_spread_bps` the mean forward return of the tenth of them that is predicted highest less that of the tenth
    predicted lowest; `_t` are in EWC standard errors.
    """

    rank_ic: float | None
    rank_ic_t: float | None
    tail_spread_bps: float | None
    tail_spread_t: float | None


class Scores(Ordering):
    """Scores of a model's probabilities on all scored rows; log losses in nats, None where not computable.

    `skill` is the improvement over the base rate as a share of its loss.
    `brier = reliability - resolution + uncertainty` up to the width of its bins.
    """

    log_loss: float
    skill: float
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    auc: float | None
    ece: float
    mcc: float | None

    @property
    def loss(self) -> float:
        """The mean loss per row."""
        return self.log_loss


class ValueScores(Ordering):
    """Scores of a model's predicted values on all scored rows; None where not computable.

    `squared_error` is the mean; `skill` the improvement over the better of the historical mean and a prediction of 0,
    as a share of its error; `r2` the same over the historical mean alone. `sign_accuracy` is the share of rows, other
    than labels and predictions of 0, whose label has the predicted sign.
    Source of `r2`: Campbell and Thompson (2008), Predicting excess stock returns out of sample.
    """

    squared_error: float
    skill: float
    r2: float
    sign_accuracy: float | None

    @property
    def loss(self) -> float:
        """The mean loss per row."""
        return self.squared_error


class Trading(Frozen):
    """Statistics of a strategy's netted book: daily returns on capital in bps, ratios per year.

    `days`: sessions from the first decision to the end of the last position; 0 if it was judged by an earlier version.
    `trades`: rows that it decided to hold; `hit_rate`: share of them that gained before cost. `growth_percent`:
    compounded net return over all days. `max_drawdown_percent`: largest fall of the compounded equity below its peak;
    `under_water_days`: longest time below one. `turnover_a_day`: value bought and sold over the capital.
    `break_even_bps`: cost of a round trip at which the mean would be 0, None if it is not above 0 without costs.
    `capacity`: capital in currency at which costs take half of the gross return. `alpha_bps_a_day` and `beta`:
    intercept and slope of the daily net return on that of always long; `information_ratio`: alpha over the deviation of
    what the line leaves. `_low` to `_high`: 95 % intervals, with EWC errors.
    """

    days: int = Field(0, exclude_if=lambda days: not days)
    trades: int
    hit_rate: float | None
    hit_low: float | None
    hit_high: float | None
    gross_bps_a_day: float
    net_bps_a_day: float
    growth_percent: float
    sharpe: float | None
    sharpe_low: float | None
    sharpe_high: float | None
    sortino: float | None
    max_drawdown_percent: float
    under_water_days: int
    turnover_a_day: float
    exposure: float
    break_even_bps: float | None
    capacity: float | None
    alpha_bps_a_day: float | None
    alpha_low: float | None
    alpha_high: float | None
    beta: float | None
    information_ratio: float | None


class Fall(Frozen):
    """A time below the highest value so far: its first day, the lowest one, and the one on which it was made good.

    `percent`: how far the lowest value is below the peak. `days`: sessions below it. `recovered`: None if it was not.
    """

    first: date
    lowest: date
    recovered: date | None
    percent: float
    days: int


class TeacherEffect(Frozen):
    """What teachers changed: in how many windows, and the loss saved on days, per row.

    The saving and its standard error (EWC) are None where no teacher changes a prediction.
    """

    windows: int
    saved: float | None
    error: float | None


class Validation(Frozen):
    """`validation.json`: pooled out-of-sample scores, and what they were computed from.

    `scores` are of the base rate (`prior`), the share of positives of each window's own rows (`window_share`, a weaker
    baseline), the student, the student that had no teacher (`alone`), a logistic model of the same features, and the
    teacher, whose scores are not available live if it is privileged.
    `taught` compares the students with those without a teacher; `constant_windows` are those whose student predicts
    the base rates alone, `constant_trades` what they trade.
    `trading` has the same models, the base rate as a trader, and three rules without learning: always long, long after
    a rise (momentum), long after a fall (reversal). `falls`, the deepest first, and `months`, the compounded net return
    in percent by `YYYY-MM`, are of the students' book. `key`: SHA-256 of all that decides the scores;
    empty until they are stored.

    With the `target` value, `prior` is the historical mean, `window_share` the mean of the window's own rows,
    `logistic` a linear model, and `zero` a prediction of 0 on every row.
    """

    run_id: RunId
    key: str = ""
    target: Target = Field(CLASS, exclude_if=lambda target: target == CLASS)
    windows: int
    taught: TeacherEffect
    constant_windows: int
    constant_trades: int
    rows: int
    days: int
    first: date
    last: date
    scores: dict[str, Scores] | dict[str, ValueScores]
    trading: dict[str, Trading]
    falls: tuple[Fall, ...] = ()
    months: dict[str, float] = Field({})
    overlap_days: int
    costs: str
    round_trip_bps: float
    slippage_bps: float
    per_symbol: dict[str, dict[str, Metric]]
    per_year: dict[str, dict[str, Metric]]
    per_window: dict[str, dict[str, Metric]]
    sha256: dict[str, str]
    inputs: dict[str, str]

    @property
    def loss(self) -> Loss:
        """The loss that its predictions are scored by."""
        return LOSSES[self.target]

    @property
    def opponent(self) -> str:
        """The simple prediction with the lowest loss: what skill is measured beside."""
        return opponent_of(self.loss, self.scores)


def opponent_of(loss: Loss, scores: Mapping[str, Scores] | Mapping[str, ValueScores]) -> str:
    """The simple prediction with the lowest loss over all rows."""
    return min(loss.opponents, key=lambda name: scores[name].loss)


class Ruling(StrEnum):
    """Outcome of one criterion."""

    PASS = "pass"
    FAIL = "fail"
    NOT_COMPUTABLE = "not computable"


class Part(StrEnum):
    """The part of a test in the decision.

    `hard`: if it fails, the run is rejected. `primary` and `direction`: without them it is not promoted. `warning`: a
    failure is reported and decides nothing. `informs`: a number without a bound.
    """

    HARD = "hard"
    PRIMARY = "primary"
    DIRECTION = "direction"
    WARNING = "warning"
    INFORMS = "informs"


DECIDING = (Part.HARD, Part.PRIMARY, Part.DIRECTION)


class Criterion(Frozen):
    """One test: its number, its bound, its part in the decision, and how much data it rests on.

    `low` to `high`: 95 % interval of the number. `name` and `reason` are texts for people.
    """

    name: str
    part: Part
    ruling: Ruling
    reason: str
    statistic: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    p: float | None = None

    @property
    def decides(self) -> bool:
        """Whether the recommendation depends on it."""
        return self.part in DECIDING

    @property
    def answer(self) -> str:
        """What a table shows: `pass`, `fail`, `not computable`, `warning` or `informs`."""
        if self.part is Part.INFORMS:
            return "informs"
        return "warning" if self.part is Part.WARNING and self.ruling is Ruling.FAIL else self.ruling.value

    @property
    def rules_out(self) -> bool:
        """Whether it is a primary test whose whole interval is below its bound: more data will not help."""
        return (
            self.part is Part.PRIMARY and self.high is not None and self.threshold is not None
            and self.high < self.threshold
        )  # fmt: skip


class Gate(Frozen):
    """A question that a promotion must pass, the tests that answer it, and digests of what they read."""

    name: str
    question: str
    criteria: tuple[Criterion, ...] = Field(min_length=1)
    inputs: dict[str, str]

    @property
    def deciding(self) -> tuple[Criterion, ...]:
        """Criteria that the recommendation depends on."""
        return tuple(each for each in self.criteria if each.decides)

    @property
    def warnings(self) -> tuple[Criterion, ...]:
        """Criteria that do not pass and decide nothing."""
        return tuple(each for each in self.criteria if each.part is Part.WARNING and each.ruling is not Ruling.PASS)

    @property
    def passed(self) -> bool:
        """Whether every test that decides passes; what cannot be computed does not."""
        return all(each.ruling is Ruling.PASS for each in self.deciding)

    @property
    def answer(self) -> str:
        """`passed`, `not passed`, or, where only tests that warn do not pass, `warning`."""
        if not self.passed:
            return "not passed"
        return "warning" if self.warnings else "passed"


class GateReport(Frozen):
    """`statistics/<gate>.json`: one gate, its findings per symbol, and its random draws.

    `key`: SHA-256 of all that decides them, the scores' included; empty until it is stored, and for a gate of a plug-in
    that gave no result.
    """

    gate: Gate
    key: str = ""
    symbols: dict[str, dict[str, Metric]] = Field(default_factory=dict)
    passing: tuple[str, ...] = ()
    draws: dict[str, tuple[float, ...]] = Field(default_factory=dict)


class Statistics(Frozen):
    """`statistics.json`: the gates in order, seeded, and the symbols whose students passed by themselves.

    `trials` is how many configurations were ever tried on these symbols and days, selections of symbols included.
    """

    run_id: RunId
    seed: int
    settings: GateSettings
    trials: int
    gates: tuple[Gate, ...] = Field(min_length=1)
    symbols: dict[str, dict[str, Metric]]
    passing: tuple[str, ...]
    inputs: dict[str, str]

    def test(self, name: str) -> Criterion | None:
        """The first test of this name, None if there is none."""
        return next((each for gate in self.gates for each in gate.criteria if each.name == name), None)


class Recommendation(StrEnum):
    """What the audit advises for a run."""

    PROMOTE = "promote"
    HOLD = "hold"
    REJECT = "reject"
