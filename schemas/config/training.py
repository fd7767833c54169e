"""Settings of training: labels, splits, models and the costs inside a label."""

from collections.abc import Callable
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from schemas.config.features import CROSS_SECTION, OWN, FeatureChoice, FeatureName, Plugged, Plugin, split_names
from schemas.config.interval import BarInterval
from schemas.config.lookback import Lookback
from schemas.config.model_kinds import (
    KINDS,
    PLAIN,
    ROLES,
    ModelKind,
    ModelRole,
    Parameters,
    as_changes,
    changes,
    check_kind,
    chosen_parameters,
)
from schemas.config.side import SIDE_LIBRARIES
from schemas.config.target import CLASS, VALUE, Target
from schemas.contract.base import Complete, is_texts
from schemas.contract.identifiers import Sha256
from schemas.contract.plugin_source import shown
from schemas.contract.window import MAX_HORIZON_BARS, MIN_RANKED_SYMBOLS, Scope

# The built-in labels; others are of plug-ins.
FIXED, TRIPLE_BARRIER, RANK, RETURN = "fixed", "triple-barrier", "rank", "return"
LABELS = (FIXED, TRIPLE_BARRIER, RANK, RETURN)
ThresholdUnit = Literal["return", "sigma"]
Entry = Literal["next-open", "close"]
LabelReturn = Literal["gross", "net"]
Privilege = Literal["path", "cross-section"]

Horizon = Annotated[int, Field(ge=1, le=MAX_HORIZON_BARS)]
HORIZON_BARS = 5

DEFAULT_TEACHER = "xgboost"

# New names of two fields of artifacts: a unit was added.
STORED_NAMES = {"horizon": "horizon_bars", "embargo": "embargo_bars"}


class TrainingConfig(BarInterval):
    """The part of a run's config that decides what a window's artifacts hold."""

    label: str = Field(
        FIXED,
        description="fixed: by the return over the horizon; triple-barrier: by which of two barriers the price reaches"
        " first, else by that return; rank: by whether that return is above the median of the symbols decided at the"
        " same instant, at least 5; return: the log return over the horizon, a value; or the name of a label of"
        " --plugins.",
    )
    horizon: Horizon = Field(
        HORIZON_BARS,
        description="Bars from a decision to the end of its label; a label of --plugins declares its own.",
    )
    threshold: Annotated[float, Field(ge=-1, le=10)] = Field(
        0.02, description="Return at the horizon above which a label is 1, in --threshold-unit."
    )
    threshold_unit: ThresholdUnit = Field(
        "return",
        description="return: a fraction (0.02 is 2 %); sigma: multiples of volatility per bar times sqrt(horizon)."
        " Also the unit of --label return.",
    )
    take_profit: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="Upper barrier, in multiples of volatility per bar times sqrt(horizon)."
    )
    stop_loss: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="Lower barrier, in the same unit; if one bar reaches both barriers, this one counts."
    )
    entry: Entry = Field("next-open", description="Entry price: next-open, or close (of the bar of the decision).")
    label_return: LabelReturn = Field("gross", description="Return that the label uses: gross, or net of costs.")
    cross_session: bool = Field(
        False,
        description="Let labels of intraday bars extend into the next session; otherwise such rows have no label.",
    )
    embargo: Annotated[int, Field(ge=0, le=500)] = Field(
        1, description="Bars kept free between the end of a training label and the first bar that must not be used."
    )
    min_rows: Annotated[int, Field(ge=20)] = Field(
        40, description="Minimum number of labelled rows per trained window."
    )
    keep_jumps: bool = Field(
        False,
        description="Train and score on label spans with a jump of prices that no corporate action explains, too.",
        exclude_if=lambda keeps: not keeps,
    )
    lookback: Lookback = Field(
        "expanding",
        description="Rows that a window's models learn from: expanding (all before the window's end), window (the"
        " window's own days), or a number of days before its end.",
    )
    scope: Scope = Field(
        "symbol", description="symbol: one teacher per symbol and window; panel: one per window, for all symbols."
    )
    student_scope: Scope | None = Field(
        None, description="The same for students; panel needs --scope panel. If omitted: as --scope."
    )
    features: Annotated[tuple[FeatureName, ...], Field(min_length=1)] | None = Field(
        None,
        description="Features of teacher and student, comma separated: the sets own (all built-in ones, of the symbol's"
        " bars), minimal (6 of them) and cross-section (their ranks among the symbols of the same bar, the panel's"
        " return and dispersion, beta to it), and names of single features, also of --plugins; if omitted:"
        " cross-section with --label rank, else own.",
        exclude_if=lambda chosen: chosen is None,
    )
    plugged: Plugged | None = Field(
        None,
        description="The plug-ins of a run and their digests, filled in by its preflight.",
        exclude_if=lambda plugged: plugged is None,
    )
    members: Sha256 | None = Field(
        None,
        description="Digest of the universe by date, filled in by a run's preflight.",
        exclude_if=lambda sha256: sha256 is None,
    )
    privileged: tuple[Privilege, ...] = Field(
        (),
        description="Extra features of the teacher, never of the student: path (inside the label's horizon),"
        " cross-section (of the same bar, needs --scope panel); comma separated.",
    )
    teacher: str = Field(
        DEFAULT_TEACHER,
        description="Kind of teacher: xgboost, lightgbm (extra [lightgbm]), random-forest, extra-trees, hist-boosting,"
        " perceptron (extra [torch]), or a model of --plugins.",
        exclude_if=lambda kind: kind == DEFAULT_TEACHER,
    )
    student: str = Field(
        "logistic",
        description="Kind of student: logistic, booster (a small XGBoost), lightgbm (extra [lightgbm]), random-forest,"
        " extra-trees, hist-boosting, perceptron (extra [torch]), or a model of --plugins; linear, for labels that are"
        " values, and if omitted there.",
    )
    set: tuple[str, ...] = Field(
        (),
        description="Parameters of teacher and student, such as teacher.max_depth=4,student.ridge=50; may be given"
        " several times. docs/models.md lists those of each kind.",
        exclude_if=lambda given: not given,
    )
    distill_weight: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5,
        description="With --privileged: weight of the teacher's out-of-fold probability in the student's labels, where"
        " that lowers the student's out-of-fold loss. Otherwise a teacher's predictions are added to the student's.",
    )
    reward_weights: bool = Field(
        False, description="Weight the student's rows by the size of their net return; usually raises log loss."
    )
    cost_bps: Annotated[float, Field(ge=0, le=1000)] = Field(
        24.0, description="Fees and taxes of a round trip, in basis points; 24: NSE delivery, 2024."
    )
    slippage_bps: Annotated[float, Field(ge=0, le=1000)] = Field(5.0, description="Slippage per side, in basis points.")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(42, description="Seed of all random numbers.")

    @property
    def feature_set(self) -> FeatureChoice:
        """The features of teacher and student, chosen or implied by the label."""
        names = self.features or ((CROSS_SECTION,) if self.label == RANK else (OWN,))
        return FeatureChoice(names=names, plugged=self.plugged)

    @property
    def needs_panel(self) -> bool:
        """Whether a symbol's labels or features depend on the other symbols of the run."""
        return self.label_compares or self.feature_set.compares

    @property
    def label_source(self) -> Plugin | None:
        """The plug-in that defines its label; None for a built-in one."""
        plugins = self.plugged.plugins if self.plugged else ()
        return next((each for each in plugins if self.label in each.labels), None)

    @property
    def label_compares(self) -> bool:
        """Whether a symbol's labels depend on the bars of the other symbols."""
        source = self.label_source
        return self.label == RANK or (source is not None and self.label in source.panel_labels)

    def first_day_learned(self, start: date, end: date) -> date:
        """The first day whose rows the models of a window `[start, end)` may learn from."""
        if self.lookback == "expanding":
            return date.min
        return start if self.lookback == "window" else end - timedelta(days=int(self.lookback))

    @model_validator(mode="before")
    @classmethod
    def _student_of_values(cls, data: Any) -> Any:
        if isinstance(data, dict) and "student" not in data:
            target = target_of(data.get("label", FIXED), data.get("plugged"))
            return data | ({"student": PLAIN[VALUE]} if target == VALUE else {})
        return data

    @field_validator("label")
    @classmethod
    def _known_label(cls, value: str) -> str:
        if value not in LABELS and not value.isidentifier():
            meant = "".join(f"; did you mean {near}?" for near in get_close_matches(value, LABELS, n=1))
            raise ValueError(f"must be {', '.join(LABELS)}, or the name of a label of --plugins{meant}")
        return value

    @field_validator("features", mode="before")
    @classmethod
    def _split_features(cls, value: object) -> object:
        return split_names(value) if isinstance(value, str) or is_texts(value) else value

    @field_validator("teacher")
    @classmethod
    def _known_teacher(cls, value: str, info: ValidationInfo) -> str:
        return _checked_kind("teacher", value, info)

    @field_validator("student")
    @classmethod
    def _known_student(cls, value: str, info: ValidationInfo) -> str:
        return _checked_kind("student", value, info)

    @field_validator("set", mode="before")
    @classmethod
    def _known_changes(cls, value: object, info: ValidationInfo) -> object:
        """The changes in one form, without those that change nothing."""
        given, found = changes(value), list[str]()
        known = KINDS | _plugged_kinds(info.data.get("plugged"))
        for role in ROLES:
            if role in info.data:  # else its kind is reported
                found += as_changes(role, chosen_parameters(role, known[info.data[role]], given))
        return tuple(found)

    def kind_of(self, role: ModelRole) -> ModelKind:
        """The kind of the teacher or of the student."""
        return (KINDS | _plugged_kinds(self.plugged))[self.teacher if role == "teacher" else self.student]

    def parameters(self, role: ModelRole) -> Parameters:
        """The parameters of the teacher or of the student."""
        return chosen_parameters(role, self.kind_of(role), self.set)

    @field_validator("privileged", mode="before")
    @classmethod
    def _split_privileged(cls, value: object) -> object:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        return tuple(sorted(set(value))) if is_texts(value) else value


def target_of(label: Any, plugged: Plugged | None) -> Target | None:
    """What a label is; None for one that neither this program nor a plug-in that is known defines."""
    if label in LABELS:
        return VALUE if label == RETURN else CLASS
    for each in plugged.plugins if isinstance(plugged, Plugged) else ():
        if label in each.labels:
            return VALUE if label in each.value_labels else CLASS
    return None


def _checked_kind(role: ModelRole, name: str, info: ValidationInfo) -> str:
    plugged = info.data.get("plugged")
    return check_kind(role, name, _plugged_kinds(plugged), target_of(info.data.get("label"), plugged))


def _plugged_kinds(plugged: Plugged | None) -> dict[str, ModelKind]:
    return plugged.kinds if plugged is not None else {}


class TrainingSettings(TrainingConfig, Complete):
    """The training config, sent with every window and stored in every artifact."""

    model_config = ConfigDict(
        alias_generator=lambda name: STORED_NAMES.get(name, name), validate_by_name=True, serialize_by_alias=True
    )

    @property
    def horizon_bars(self) -> int:
        """Bars from a decision to the end of its label."""
        return self.horizon

    @property
    def embargo_bars(self) -> int:
        """Bars kept free after a training label."""
        return self.embargo

    @property
    def scope_of_students(self) -> Scope:
        """Whether a student learns from its own symbol or from all."""
        return self.student_scope or self.scope

    @property
    def round_trip_cost(self) -> float:
        """Fees, taxes and two sides of slippage, as a fraction."""
        return (self.cost_bps + 2.0 * self.slippage_bps) / 1e4

    def with_student(self, kind: str) -> "TrainingSettings":
        """These settings with another kind of student, whose parameters are the defaults."""
        return self.model_copy(
            update={"student": kind, "set": tuple(each for each in self.set if not each.startswith("student."))}
        )

    @property
    def kinds(self) -> tuple[ModelKind, ModelKind]:
        """The kinds of its teacher and its student."""
        return self.kind_of("teacher"), self.kind_of("student")

    @property
    def model_extras(self) -> tuple[str, ...]:
        """The extras of this package that its kinds of model need."""
        return tuple(dict.fromkeys(kind.extra for kind in self.kinds if kind.extra is not None))

    @property
    def model_libraries(self) -> tuple[str, ...]:
        """The packages beside those of every run whose versions decide an artifact's bytes."""
        names = [name for kind in self.kinds for name in kind.libraries]
        if self.plugged is not None and self.plugged.side_files:
            names += SIDE_LIBRARIES
        return tuple(dict.fromkeys(names))

    @property
    def target(self) -> Target:
        """Whether its label is a class or a value."""
        return target_of(self.label, self.plugged) or CLASS

    @property
    def measures_return(self) -> bool:
        """Whether a label is decided by a trade's own return; ranks and labels of plug-ins are not."""
        return self.label != RANK and self.label_source is None

    @property
    def compares_return(self) -> bool:
        """Whether a label compares that return with the threshold."""
        return self.measures_return and self.target == CLASS

    @property
    def label_rule(self) -> str:
        """The rule by which a label is 1, as one sentence without a full stop; KeyError for a kind without one."""
        return LABEL_RULES[self.label](self) if self.label_source is None else _rule_of_plugin(self, self.label_source)


def _fixed_rule(settings: TrainingSettings) -> str:
    start, end, theta = _rule_terms(settings)
    return f"a label is 1 where the {settings.label_return} return from {start} to {end} exceeds {theta}"


def _triple_barrier_rule(settings: TrainingSettings) -> str:
    start, end, theta = _rule_terms(settings)
    earned = " with a net return above 0" if settings.label_return == "net" else ""
    return (
        f"a label is 1 where the price reaches the upper barrier first{earned}, or neither barrier and the"
        f" {settings.label_return} return from {start} to {end} exceeds {theta}; the upper barrier is"
        f" {settings.take_profit:g} times and the lower {settings.stop_loss:g} times the volatility over"
        f" {settings.horizon_bars} bars away from {start}"
    )


def _rank_rule(settings: TrainingSettings) -> str:
    start, end, _ = _rule_terms(settings)
    return (
        f"a label is 1 where the return from {start} to {end} is above the median of the symbols decided at the same"
        f" instant, of which there are at least {MIN_RANKED_SYMBOLS}"
    )


def _return_rule(settings: TrainingSettings) -> str:
    start, end, _ = _rule_terms(settings)
    unit = f", in volatilities over {settings.horizon_bars} bars" if settings.threshold_unit == "sigma" else ""
    return f"a label is the {settings.label_return} log return from {start} to {end}{unit}"


def _rule_of_plugin(settings: TrainingSettings, source: Plugin) -> str:
    known = f"known at most {settings.horizon_bars} bars after the decision"
    if settings.target == VALUE:
        return f"a label is the value of {settings.label} of {shown(source.name)}, {known}"
    return f"a label is 1 where {settings.label} of {shown(source.name)} is 1, {known}"


def _rule_terms(settings: TrainingSettings) -> tuple[str, str, str]:
    """Where the return begins, where it ends, and the threshold."""
    sigma, bars = settings.threshold_unit == "sigma", settings.horizon_bars
    theta = (
        f"{settings.threshold:g} times the volatility over {bars} bars" if sigma else f"{settings.threshold * 100:g} %"
    )
    start = "the next open" if settings.entry == "next-open" else "the close"
    return start, f"the close {bars} bars after the decision", theta


LABEL_RULES: dict[str, Callable[[TrainingSettings], str]] = {
    FIXED: _fixed_rule,
    TRIPLE_BARRIER: _triple_barrier_rule,
    RANK: _rank_rule,
    RETURN: _return_rule,
}
