"""Booster student: a few shallow XGBoost trees on soft labels, with the shrinkage stored among its attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, cast

import numpy as np

from schemas.config.model_kinds import BoosterStudent
from workers.bars.series import Floats
from workers.devices.arrays import Array
from workers.models.base import Recipe
from workers.models.registry import register
from workers.models.xgboost import OBJECTIVES, XGBoost, library, read_trees


@register
@dataclass(frozen=True)
class Booster(XGBoost):
    """XGBoost's trees with their names of features and the factor in the file."""

    kind: ClassVar[str] = "booster"
    on_gpu: ClassVar[bool] = False

    @classmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        """Fit a fixed number of trees; `weight` is positive."""
        xgb = library()
        own = cast(BoosterStudent, recipe.parameters)
        parameters = {
            **OBJECTIVES[recipe.target],
            "tree_method": "hist",
            "device": "cpu",
            "nthread": 1,
            "seed": recipe.seed,
            "max_bin": own.max_bin,
            "max_depth": own.max_depth,
            "eta": own.eta,
            "min_child_weight": own.min_child_weight,
            "reg_lambda": own.reg_lambda,
        }
        train = xgb.QuantileDMatrix(x, soft, weight=weight / weight.mean(), base_margin=offset, max_bin=own.max_bin)
        return cls(xgb.train(parameters, train, own.rounds, verbose_eval=False))

    def encode(self, features: Sequence[str]) -> bytes:
        """The model as UBJSON, with the factor as its attribute and the inputs as its features."""
        trees = self.trees.copy()
        trees.feature_names = list(features)
        trees.set_attr(factor=repr(self.factor))
        return bytes(trees.save_raw("ubj"))

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read a stored model. ValueError if its factor is missing or wrong, or XGBoost cannot read it."""
        trees = read_trees(content)
        features = tuple(trees.feature_names or ())
        trees.feature_names = None
        model = cls(trees, float(trees.attr("factor") or ""))
        if len(features) != trees.num_features() or not np.isfinite(model.factor):
            raise ValueError("its features have no names, or its factor is not finite")
        return model, features
