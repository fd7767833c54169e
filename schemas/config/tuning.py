"""Settings of `tune`: a study, which searches for the settings of a run on days before those that the run scores."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from schemas.config.run import RunConfig
from schemas.config.target import CLASS, LOSSES, VALUE, Target
from schemas.contract.base import Frozen

Objective = Literal["log-loss", "squared-error", "alpha"]
Sampler = Literal["tpe", "random"]
Pruner = Literal["median", "none"]
Value = StrictBool | StrictInt | StrictFloat | StrictStr

# The objectives that are the loss of a target, and the units of all.
OF_LOSSES: dict[Objective, Target] = {"log-loss": CLASS, "squared-error": VALUE}
UNITS: dict[Objective, str] = {each: LOSSES[target].unit for each, target in OF_LOSSES.items()} | {
    "alpha": "bps per day"
}

# Settings of a run that a study may change, beside the parameters of `--set`.
SEARCHED = (
    "label", "horizon", "threshold", "threshold_unit", "take_profit", "stop_loss", "label_return", "lookback",
    "features", "privileged", "teacher", "student", "distill_weight", "reward_weights",
)  # fmt: skip
# Those of them that change what a label asks: log losses of different questions cannot be compared.
OF_LABELS = ("label", "horizon", "threshold", "threshold_unit", "take_profit", "stop_loss", "label_return")


class Numbers(Frozen):
    """The numbers from `low` to `high`, both included: whole ones where the setting takes whole numbers.

    `log`: even on a logarithmic scale. `step`: only `low` and every `step` above it.
    """

    low: StrictInt | StrictFloat
    high: StrictInt | StrictFloat
    log: StrictBool = False
    step: StrictInt | StrictFloat | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log = true needs a low above 0, not {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other; give one")
        if self.step is not None and abs((steps := (self.high - self.low) / self.step) - round(steps)) > 1e-9:
            raise ValueError(f"high {self.high:g} is not low {self.low:g} and a whole number of steps of {self.step:g}")
        return self


class Choices(Frozen):
    """Any of some values."""

    choices: tuple[Value, ...] = Field(min_length=1)


Domain = Numbers | Choices
# The domain of each setting or parameter that a study varies, by its name, such as `horizon` or `teacher.max_depth`.
Space = dict[str, Domain]


class StudySettings(Frozen):
    """How a study searches."""

    tune_end: date = Field(
        description="First day that the study must not see, YYYY-MM-DD: its windows score earlier days only, and no"
        " label ends on it or later. The run with the best settings scores days from it on."
    )
    trials: Annotated[int, Field(ge=2, le=10_000)] = Field(
        50, description="Configurations to try; the first is the one without any change."
    )
    objective: Objective = Field(
        "log-loss",
        description="What is maximised: log-loss (improvement over the base rate, nats per row), squared-error (over"
        " the historical mean, of labels that are values), or alpha (beside always long, net, bps per day), which a"
        " space that changes labels needs.",
    )
    sampler: Sampler = Field("tpe", description="How configurations are chosen: tpe (by those before) or random.")
    pruner: Pruner = Field(
        "median",
        description="median: end a trial whose best value so far is below the median of earlier trials at the same"
        " window; none: train every window. With --objective alpha nothing is pruned.",
    )
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        4,
        description="Trials that are trained at the same time. A choice knows the trials before these, so another"
        " number gives another study.",
    )


class TuneConfig(RunConfig, StudySettings):
    """A study: the settings of a run, what to vary, and how."""

    space: str = Field(description="TOML file with a table of low and high, or of choices, per setting to vary.")

    @model_validator(mode="after")
    def _days_to_search_on(self) -> Self:
        if self.study is not None:
            raise ValueError("--study is for a run; leave it out: --run-id names this study")
        if self.final:
            raise ValueError("--final is for a run; leave it out: a study scores no held-out day")
        if self.holdout_from is not None and self.tune_end > self.holdout_from:
            raise ValueError(f"--tune-end {self.tune_end} is after --holdout-from {self.holdout_from}; move it before")
        if self.store is not None:
            raise ValueError("--store is not possible with tune yet; use a data folder that all devices share")
        return self

    def run_config(self) -> RunConfig:
        """The settings of the run alone; those that were given are known to be."""
        values = {name: getattr(self, name) for name in RunConfig.model_fields}
        return RunConfig.model_construct(self.model_fields_set & values.keys(), **values)

    def study_settings(self) -> StudySettings:
        """The settings of the study alone."""
        return StudySettings.model_validate({name: getattr(self, name) for name in StudySettings.model_fields})
