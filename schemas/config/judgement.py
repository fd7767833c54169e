"""Bounds of the tests that a promotion must pass."""

from typing import Annotated

from pydantic import Field

from schemas.contract.base import Frozen

# In order: each means little where one before it fails.
GATES = ("data", "leak", "skill", "economics", "overfit", "symbols", "calibration", "drift")


class GateSettings(Frozen):
    """Bounds and sizes of every test that a promotion must pass: the table `[gates]` of a config file."""

    min_scored_share: Annotated[float, Field(ge=0, le=1)] = Field(0.9, description="Attempted windows that are scored.")
    min_days: Annotated[int, Field(ge=20)] = Field(60, description="Days that a test needs.")
    significance: Annotated[float, Field(gt=0, lt=0.5)] = Field(0.05, description="p of a one-sided test.")
    permutation_p: Annotated[float, Field(gt=0, lt=0.5)] = Field(0.01, description="p of the label permutation.")
    permutations: Annotated[int, Field(ge=100, le=100_000)] = Field(1000, description="Shifts of the labels.")
    repetitions: Annotated[int, Field(ge=200, le=100_000)] = Field(2000, description="Bootstrap samples.")
    sharpe_probability: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95, description="Probability that the Sharpe ratio is above 0, and above the best of the trials' by luck."
    )
    overfit_probability: Annotated[float, Field(gt=0, le=1)] = Field(
        0.10, description="Probability of backtest overfitting."
    )
    overfit_blocks: Annotated[int, Field(ge=4, le=20, multiple_of=2)] = Field(16, description="Blocks of its splits.")
    false_discoveries: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.10, description="Expected share of symbols that pass by chance."
    )
    calibration_z: Annotated[float, Field(gt=0, le=5)] = Field(1.96, description="Spiegelhalter's |z|.")
    slope_low: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8, description="Slope of the labels on the student's logit, at least."
    )
    slope_high: Annotated[float, Field(ge=1, le=5)] = Field(1.2, description="And at most.")
    drift_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.25, description="Features that may drift between the first and the last quarter of the scored days."
    )
    drift_quantile: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.99, description="Quantile of the bootstrap without drift that counts as drift."
    )
    stress_cost: Annotated[float, Field(ge=1, le=10)] = Field(2.0, description="Cost and slippage, times this.")
    stress_delay_bars: Annotated[int, Field(ge=1, le=50)] = Field(1, description="Bars that a stressed entry is late.")
