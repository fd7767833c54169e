"""Settings of the gates: bounds and sizes of the tests that decide about a run, or warn."""

from typing import Annotated

from pydantic import Field

from schemas.contract.base import Frozen
from schemas.contract.identifiers import OwnName

# In this order: the result of a gate means little if an earlier one fails.
GATES = ("data", "leak", "skill", "economics", "overfit", "symbols", "calibration", "drift")


class OwnGate(Frozen):
    """A gate of a plug-in file: its name and question, and the plug-in with the digest of its source.

    `decides`: whether a failure rejects the run, instead of being a warning.
    """

    name: OwnName
    question: str
    decides: bool
    plugin: str
    sha256: str


class GateSettings(Frozen):
    """Bounds and sizes of every test of a run: the table `[gates]` of a config file."""

    min_scored_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.9, description="Minimum share of windows that are scored, of those for which there are bars."
    )
    min_days: Annotated[int, Field(ge=20)] = Field(60, description="Minimum number of scored days per test.")
    significance: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.05, description="Significance level of one-sided tests."
    )
    alpha_hurdle_bps: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="Alpha beside always long, in bps of capital per day, that must be exceeded."
    )
    permutation_p: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.01, description="Significance level of the label permutation."
    )
    permutations: Annotated[int, Field(ge=100, le=100_000)] = Field(1000, description="Number of label shifts.")
    repetitions: Annotated[int, Field(ge=200, le=100_000)] = Field(2000, description="Number of bootstrap samples.")
    sharpe_probability: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95,
        description="Minimum probability that the Sharpe ratio exceeds 0, and the best of the trials by luck.",
    )
    overfit_probability: Annotated[float, Field(gt=0, le=1)] = Field(
        0.10, description="Maximum probability of backtest overfitting."
    )
    overfit_blocks: Annotated[int, Field(ge=4, le=20, multiple_of=2)] = Field(
        16, description="Number of blocks that are split for it."
    )
    false_discoveries: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.10, description="Maximum expected share of symbols that pass by chance."
    )
    calibration_z: Annotated[float, Field(gt=0, le=5)] = Field(
        1.96, description="Maximum z of the students' calibration beside the base rate's; above 0 for worse."
    )
    slope_low: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8, description="Minimum calibration slope: labels on the student's logit."
    )
    slope_high: Annotated[float, Field(ge=1, le=5)] = Field(1.2, description="Maximum calibration slope.")
    drift_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.25,
        description="Maximum share of features that drift between the last quarter of the scored days and the days"
        " before it.",
    )
    drift_quantile: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.99, description="Quantile of the bootstrap without drift above which a feature drifts."
    )
    stress_cost: Annotated[float, Field(ge=1, le=10)] = Field(
        2.0, description="Factor on cost and slippage in the stress test."
    )
    stress_delay_bars: Annotated[int, Field(ge=1, le=50)] = Field(
        1, description="Bars by which the entry is late in the stress test."
    )
