"""A booster as student: a few shallow XGBoost trees on soft labels, its calibration kept beside them in the model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from workers.bars.series import Floats

ROUNDS = 40
MAX_BIN = 64


@dataclass(frozen=True)
class Booster:
    """margin = slope * (the trees' margin) + intercept."""

    trees: xgb.Booster
    slope: float = 1.0
    intercept: float = 0.0

    def margin(self, x: Floats) -> Floats:
        """Logit for each row of `x`, shape (rows, features)."""
        raw = np.asarray(self.trees.inplace_predict(x, predict_type="margin"), dtype=np.float64)
        result: Floats = self.slope * raw + self.intercept
        return result

    def calibrated(self, slope: float, intercept: float) -> "Booster":
        """The model whose margin is `slope` times this one's plus `intercept`."""
        return Booster(self.trees, slope * self.slope, slope * self.intercept + intercept)

    def to_bytes(self, features: Sequence[str], trade_above: float | None) -> bytes:
        """The model as UBJSON, with calibration, inputs and threshold as its attributes."""
        trees = self.trees.copy()
        trees.feature_names = list(features)
        trees.set_attr(slope=repr(self.slope), intercept=repr(self.intercept), trade_above=repr(trade_above))
        return bytes(trees.save_raw("ubj"))

    @classmethod
    def from_bytes(cls, content: bytes) -> "Booster":
        """A stored model."""
        trees = xgb.Booster(params={"nthread": 1})
        trees.load_model(bytearray(content))
        trees.feature_names = None
        return cls(trees, float(trees.attr("slope") or ""), float(trees.attr("intercept") or ""))


def fit(x: Floats, soft: Floats, weight: Floats, seed: int) -> Booster:
    """Fit on soft labels in [0, 1], which XGBoost's logistic objective takes as they are; `weight` is positive."""
    parameters = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "device": "cpu",
        "nthread": 1,
        "seed": seed,
        "max_bin": MAX_BIN,
        "max_depth": 2,
        "eta": 0.1,
        "min_child_weight": 3.0,
        "reg_lambda": 5.0,
        "base_score": float(np.clip(np.average(soft, weights=weight), 1e-6, 1 - 1e-6)),
    }
    train = xgb.QuantileDMatrix(x, soft, weight=weight / weight.mean(), max_bin=MAX_BIN)
    return Booster(xgb.train(parameters, train, ROUNDS, verbose_eval=False))
