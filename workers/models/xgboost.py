"""XGBoost's gradient-boosted trees, the default teacher, sized for a hundred rows."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np

from schemas.config.model_kinds import XGBoostTeacher
from schemas.config.target import CLASS, VALUE, Target
from schemas.contract.errors import RequestError
from schemas.contract.plugin_source import plugins_of_environment
from schemas.contract.task import Metric
from schemas.files.layout import MODEL_UBJ
from schemas.terminal.quick_import import quick_import
from workers.bars.series import Floats
from workers.devices.arrays import Array, to_host
from workers.models.base import Model, Recipe, Rows, Stopped, random_rows, ranked, refuse_other_margins
from workers.models.registry import register
from workers.models.trees import refuse_other_tree

if TYPE_CHECKING:  # a process that serves logistic students only does not load XGBoost
    import xgboost as xgb

EPSILON = 1e-6
# Margins of trees begin from 0, whose prediction is the base score. The logistic objective accepts soft labels.
OBJECTIVES: dict[Target, dict[str, object]] = {
    CLASS: {"objective": "binary:logistic", "base_score": 0.5},
    VALUE: {"objective": "reg:squarederror", "base_score": 0.0},
}
METRICS: dict[Target, str] = {CLASS: "logloss", VALUE: "rmse"}
# With more rows a matrix of bins, an eighth of the size, is worth the fifth of the time that it adds.
PLAIN_ROWS = 262_144


@register
@dataclass(frozen=True)
class XGBoost(Model):
    """margin = factor * (margin of the trees); the trees begin from 0. Its file has no names of features."""

    kind: ClassVar[str] = "xgboost"
    file_name: ClassVar[str] = MODEL_UBJ
    on_gpu: ClassVar[bool] = True

    trees: "xgb.Booster"
    factor: float = 1.0

    @classmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        """Fit a fixed number of trees."""
        xgb = library()
        rows = _matrix(Rows(x, soft, weight, offset), recipe)
        # `xgb.train` asks its callbacks and copies the booster: a quarter of the time of a few rows, for equal trees.
        booster = xgb.Booster(parameters(recipe), [rows])
        for number in range(_own(recipe).out_of_fold_rounds):
            booster.update(rows, number)
        return cls(booster)

    @classmethod
    def fit_stopped(cls, rows: Rows, tail: Rows, recipe: Recipe) -> Stopped[Self]:
        """Keep the rounds with the lowest loss of `tail`. RequestError if XGBoost trained on another device."""
        xgb = library()
        train = _matrix(rows, recipe)
        booster = xgb.train(
            parameters(recipe),
            train,
            _own(recipe).max_rounds,
            evals=[(_matrix(tail, recipe, train), "tail")],
            early_stopping_rounds=_own(recipe).early_stopping_rounds,
            verbose_eval=False,
        )
        rounds = booster.best_iteration + 1
        best = booster[:rounds]
        fitted = fitted_parameters(best)
        if not str(fitted["device"]).startswith(recipe.device):
            # XGBoost only warns where it finds no usable GPU.
            raise RequestError(
                f"XGBoost was to train on {recipe.device} and trained on {fitted['device']};"
                " install an extra [cuda12] or [cuda13] that fits the driver"
            )
        loss = float(booster.best_score)
        return Stopped(cls(best), rounds, fitted, loss if recipe.target == CLASS else loss**2)

    def margin(self, x: Floats) -> Floats:
        """Margin per row of `x`, shape (rows, features)."""
        raw = np.asarray(self.trees.inplace_predict(x, predict_type="margin"), dtype=np.float64)
        result: Floats = self.factor * raw + 0.0
        return result

    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""
        return type(self)(self.trees, factor * self.factor)

    def predict(self, x: Array, offset: float | Floats, target: Target = CLASS) -> Floats:
        """Probability of class 1, or the value, per row of `x`, computed on the device that holds `x`."""
        if self.factor != 1.0:
            return super().predict(x, offset, target)
        margin = np.broadcast_to(np.asarray(offset, dtype=np.float32), (x.shape[0],)).copy()
        return to_host(self.trees.inplace_predict(x, base_margin=margin)).astype(np.float64)

    @property
    def rounds(self) -> int:
        """Trees of the model."""
        return int(self.trees.num_boosted_rounds())

    def importance(self, features: Sequence[str]) -> list[tuple[str, float, int]]:
        """(feature, share of total gain, rank) per feature, best first; a feature that no split uses has share 0."""
        found = self.trees.get_score(importance_type="total_gain").items()
        gain = {name: float(value if isinstance(value, int | float) else value[0]) for name, value in found}
        return ranked({feature: gain.get(f"f{number}", 0.0) for number, feature in enumerate(features)})

    def encode(self, features: Sequence[str]) -> bytes:
        """The trees as UBJSON, without a factor or names."""
        return bytes(self.trees.save_raw("ubj"))

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read stored trees, to predict on one thread; there are no names in the file."""
        return cls(read_trees(content)), ()

    @classmethod
    def refuse_harmful(cls, content: bytes) -> None:
        """ValueError unless the file's trees are trees, and predict one finite number per row."""
        booster = read_trees(content)
        refuse_other_structure(json.loads(booster.save_raw("json"))["learner"])
        x = random_rows(booster.num_features())
        refuse_other_margins(booster.inplace_predict(x, predict_type="margin", validate_features=False))


def clip(probability: float) -> float:
    """`probability`, kept EPSILON away from 0 and 1."""
    return min(max(probability, EPSILON), 1.0 - EPSILON)


def parameters(recipe: Recipe) -> dict[str, object]:
    """XGBoost's parameters of a teacher. Its margins begin from an offset per row, which is no parameter."""
    own = _own(recipe)
    return {
        **OBJECTIVES[recipe.target],
        "eval_metric": METRICS[recipe.target],
        "tree_method": "hist",
        "device": recipe.device,
        "nthread": 1,
        "seed": recipe.seed,
        "max_bin": own.max_bin,
        "max_depth": own.max_depth,
        "eta": own.eta,
        "min_child_weight": own.min_child_weight,
        "subsample": own.subsample,
        "colsample_bytree": own.colsample_bytree,
        "reg_lambda": own.reg_lambda,
    }


def fitted_parameters(booster: "xgb.Booster") -> dict[str, Metric]:
    """Parameters that the booster was fitted with, read from its own configuration instead of the request."""
    config = json.loads(booster.save_config())["learner"]
    tree = config["gradient_booster"]["tree_train_param"]
    keys = ("max_depth", "eta", "min_child_weight", "subsample", "colsample_bytree", "lambda", "max_bin")
    return {
        "objective": config["objective"]["name"],
        "base_score": config["learner_model_param"]["base_score"],
        "device": config["generic_param"]["device"],
        "nthread": config["generic_param"]["nthread"],
        "seed": config["generic_param"]["seed"],
        "tree_method": config["gradient_booster"]["gbtree_train_param"]["tree_method"],
        **{key: tree[key] for key in keys},
    }


def library() -> Any:
    """XGBoost, without its estimators and data frames, which take 1.5 s of CPU, unless the process runs users' code.

    That is a plug-in, or a script or notebook that imports the API.
    """
    unused = () if plugins_of_environment() or "gurukul" in sys.modules else ("sklearn", "pandas")
    with quick_import(*unused):
        import xgboost
    return xgboost


def read_trees(content: bytes) -> "xgb.Booster":
    """Read a stored booster, to predict on one thread."""
    booster = library().Booster(params={"nthread": 1})
    booster.load_model(bytearray(content))
    return booster


def refuse_other_structure(learner: dict[str, Any]) -> None:
    """ValueError unless each tree is one: a row that no trial has seen could leave it, or never come to its end."""
    features, booster = int(learner["learner_model_param"]["num_feature"]), learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise ValueError(f"a {booster['name']} of {features} features")
    for tree in booster["model"]["trees"]:
        if tree["categories_nodes"]:
            raise ValueError("a split by category")
        left, right, split = (np.array(tree[name]) for name in ("left_children", "right_children", "split_indices"))
        refuse_other_tree(left, right, split, np.array(tree["split_conditions"], dtype=np.float64), features)


def _own(recipe: Recipe) -> XGBoostTeacher:
    return cast(XGBoostTeacher, recipe.parameters)


def _matrix(rows: Rows, recipe: Recipe, train: "xgb.DMatrix | None" = None) -> "xgb.DMatrix":
    """Rows to fit on, with weights of mean 1, as penalties are in rows; with `train`, those that it is stopped on.

    Models and predictions have the same bytes with either kind of matrix.
    """
    xgb = library()
    weight = rows.weight / rows.weight.mean() if train is None else None
    data = {"data": rows.x, "label": rows.soft, "weight": weight, "base_margin": rows.offset, "nthread": 1}
    if isinstance(train, xgb.QuantileDMatrix) or (train is None and len(rows.soft) > PLAIN_ROWS):
        return xgb.QuantileDMatrix(**data, max_bin=_own(recipe).max_bin, ref=train)
    return xgb.DMatrix(**data)
