"""Booster student: a few shallow XGBoost trees on soft labels, with the calibration stored among its attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from schemas.files.layout import MODEL_UBJ
from workers.bars.series import Floats
from workers.models.base import Model, StoredModel
from workers.models.registry import register

if TYPE_CHECKING:  # a process that serves logistic students only does not load XGBoost
    import xgboost as xgb

ROUNDS = 40
MAX_BIN = 64


@register
@dataclass(frozen=True)
class Booster(Model):
    """margin = slope * (margin of the trees) + intercept; the trees begin from 0."""

    kind: ClassVar[str] = "booster"
    file_name: ClassVar[str] = MODEL_UBJ

    trees: "xgb.Booster"
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, x: Floats, soft: Floats, weight: Floats, offset: Floats, seed: int) -> Self:
        """Fit on soft labels in [0, 1], which XGBoost's logistic objective accepts; `weight` is positive."""
        import xgboost as xgb

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
            "base_score": 0.5,
        }
        train = xgb.QuantileDMatrix(x, soft, weight=weight / weight.mean(), base_margin=offset, max_bin=MAX_BIN)
        return cls(xgb.train(parameters, train, ROUNDS, verbose_eval=False))

    def margin(self, x: Floats) -> Floats:
        """Logit per row of `x`, shape (rows, features)."""
        raw = np.asarray(self.trees.inplace_predict(x, predict_type="margin"), dtype=np.float64)
        result: Floats = self.slope * raw + self.intercept
        return result

    def calibrated(self, slope: float, intercept: float) -> Self:
        """Model whose margin is `slope` times this one's plus `intercept`."""
        return type(self)(self.trees, slope * self.slope, slope * self.intercept + intercept)

    def encode(self, features: Sequence[str], trade_above: float | None) -> bytes:
        """The model as UBJSON, with calibration and threshold as its attributes and the inputs as its features."""
        trees = self.trees.copy()
        trees.feature_names = list(features)
        trees.set_attr(slope=repr(self.slope), intercept=repr(self.intercept), trade_above=repr(trade_above))
        return bytes(trees.save_raw("ubj"))

    @classmethod
    def decode(cls, content: bytes) -> StoredModel:
        """Read a stored model. ValueError if an attribute is missing or wrong, or XGBoost cannot read it."""
        import xgboost as xgb

        trees = xgb.Booster(params={"nthread": 1})
        trees.load_model(bytearray(content))
        features = tuple(trees.feature_names or ())
        trees.feature_names = None
        slope, intercept, above = (trees.attr(name) or "" for name in ("slope", "intercept", "trade_above"))
        model = cls(trees, float(slope), float(intercept))
        trade_above = None if above == "None" else float(above)
        if (
            len(features) != trees.num_features()
            or not np.isfinite([model.slope, model.intercept, trade_above or 0]).all()
        ):
            raise ValueError("its features have no names, or its calibration is not finite")
        return StoredModel(model, features, trade_above)
