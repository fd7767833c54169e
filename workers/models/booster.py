"""Booster student: a few shallow XGBoost trees on soft labels, with the shrinkage stored among its attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from schemas.files.layout import MODEL_UBJ
from workers.bars.series import Floats
from workers.models.base import Model
from workers.models.registry import register

if TYPE_CHECKING:  # a process that serves logistic students only does not load XGBoost
    import xgboost as xgb

ROUNDS = 40
MAX_BIN = 64


@register
@dataclass(frozen=True)
class Booster(Model):
    """margin = factor * (margin of the trees); the trees begin from 0."""

    kind: ClassVar[str] = "booster"
    file_name: ClassVar[str] = MODEL_UBJ

    trees: "xgb.Booster"
    factor: float = 1.0

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
        result: Floats = self.factor * raw + 0.0
        return result

    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""
        return type(self)(self.trees, factor * self.factor)

    def encode(self, features: Sequence[str]) -> bytes:
        """The model as UBJSON, with the factor as its attribute and the inputs as its features."""
        trees = self.trees.copy()
        trees.feature_names = list(features)
        trees.set_attr(factor=repr(self.factor))
        return bytes(trees.save_raw("ubj"))

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read a stored model. ValueError if its factor is missing or wrong, or XGBoost cannot read it."""
        import xgboost as xgb

        trees = xgb.Booster(params={"nthread": 1})
        trees.load_model(bytearray(content))
        features = tuple(trees.feature_names or ())
        trees.feature_names = None
        model = cls(trees, float(trees.attr("factor") or ""))
        if len(features) != trees.num_features() or not np.isfinite(model.factor):
            raise ValueError("its features have no names, or its factor is not finite")
        return model, features
