"""LightGBM's gradient-boosted trees, for teachers and students: bit for bit the same at each fit, on one thread."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from schemas.config.model_kinds import LightGBMStudent, LightGBMTeacher
from schemas.config.target import CLASS, VALUE, Target
from workers.bars.series import Floats
from workers.devices.arrays import Array
from workers.models.base import Model, Recipe, Rows, Stopped, ranked
from workers.models.registry import register
from workers.models.trees import LEAF, refuse_other_tree

if TYPE_CHECKING:  # only a process that uses such a model loads LightGBM
    import lightgbm as lgb

NAMES = re.compile(r"^feature_names=.*$", re.MULTILINE)
# Cross-entropy accepts soft labels.
OBJECTIVES: dict[Target, dict[str, Any]] = {
    CLASS: {"objective": "cross_entropy", "metric": "cross_entropy"},
    VALUE: {"objective": "regression", "metric": "l2"},
}
FACTOR = re.compile(r"^factor=(.+)$", re.MULTILINE)


@register
@dataclass(frozen=True)
class LightGBM(Model):
    """margin = factor * (raw score of the trees); the trees begin from 0.

    Its file is LightGBM's own text, which other programs can read, with the factor as one more line of its head.
    """

    kind: ClassVar[str] = "lightgbm"
    file_name: ClassVar[str] = "model.lightgbm.txt"

    trees: "lgb.Booster"
    factor: float = 1.0

    @classmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        """Fit a fixed number of trees."""
        import lightgbm as lgb

        rows = _dataset(Rows(x, soft, weight, offset), recipe)
        return cls(_text_of(lgb.train(_parameters(recipe), rows, _own(recipe).fixed_rounds)))

    @classmethod
    def fit_stopped(cls, rows: Rows, tail: Rows, recipe: Recipe) -> Stopped[Self]:
        """Keep the rounds with the lowest loss of `tail`."""
        import lightgbm as lgb

        own = cast(LightGBMTeacher, recipe.parameters)
        train = _dataset(rows, recipe)
        booster = lgb.train(
            _parameters(recipe),
            train,
            own.max_rounds,
            valid_sets=[_dataset(tail, recipe, train)],
            callbacks=[lgb.early_stopping(own.early_stopping_rounds, verbose=False)],
        )
        used = {**_parameters(recipe), "max_rounds": own.max_rounds}
        model = cls(_text_of(booster))
        return Stopped(model, model.rounds, used)

    def margin(self, x: Floats) -> Floats:
        """Margin per row of `x`, shape (rows, features)."""
        raw = np.asarray(self.trees.predict(x, raw_score=True, num_threads=1), dtype=np.float64)
        result: Floats = self.factor * raw + 0.0
        return result

    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""
        return type(self)(self.trees, factor * self.factor)

    @property
    def rounds(self) -> int:
        """Trees of the model."""
        return int(self.trees.num_trees())

    def importance(self, features: Sequence[str]) -> list[tuple[str, float, int]]:
        """(feature, share of total gain, rank) per feature, best first; a feature that no split uses has share 0."""
        gains = self.trees.feature_importance(importance_type="gain").tolist()
        return ranked(dict(zip(features, gains, strict=True)))

    def encode(self, features: Sequence[str]) -> bytes:
        """The model as LightGBM's text, with the inputs as its features."""
        if any(not name or re.search(r"\s", name) for name in features):
            raise ValueError("LightGBM separates the names of features by spaces; one of them holds a space")
        head = f"factor={self.factor!r}\nfeature_names={' '.join(features)}"
        return NAMES.sub(lambda _: head, self.trees.model_to_string(), count=1).encode()

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read a stored model. ValueError if its factor is missing or wrong, or LightGBM cannot read it."""
        text = content.decode()
        found = FACTOR.search(text)
        factor = float(found[1] if found else "")
        if not np.isfinite(factor):
            raise ValueError("its factor is not finite")
        trees = _read(text)
        return cls(trees, factor), tuple(trees.feature_name())

    @classmethod
    def refuse_harmful(cls, content: bytes) -> None:
        """ValueError unless the file's trees are trees, and predict one finite number per row."""
        refuse_other_text(content.decode())
        super().refuse_harmful(content)


def refuse_other_text(text: str) -> None:
    """ValueError unless each tree of a model's text is one: LightGBM follows references without checks."""
    features = int(_value(text, "max_feature_idx")) + 1
    for tree in re.split(r"^Tree=", text.partition("end of trees")[0], flags=re.MULTILINE)[1:]:
        leaves = int(_value(tree, "num_leaves"))
        if int(_value(tree, "num_cat")) or int(_value(tree, "is_linear")):
            raise ValueError("a split by category, or a linear leaf")
        values = _numbers(tree, "leaf_value", leaves)
        inner = leaves - 1
        if not inner:
            refuse_other_tree(*(np.full(1, LEAF),) * 2, np.zeros(1, dtype=np.int64), values, features)
            continue
        left, right = (_children(tree, name, inner) for name in ("left_child", "right_child"))
        split = np.concatenate([_numbers(tree, "split_feature", inner).astype(np.int64), np.zeros(leaves, np.int64)])
        thresholds = _numbers(tree, "threshold", inner)
        refuse_other_tree(left, right, split, np.concatenate([thresholds, values]), features)


def _children(tree: str, name: str, inner: int) -> NDArray[np.int64]:
    """Children of all nodes, leaves after the inner ones; in the text a leaf is a negative number."""
    child = _numbers(tree, name, inner).astype(np.int64)
    return np.concatenate([np.where(child < 0, inner + ~child, child), np.full(inner + 1, LEAF)])


def _numbers(text: str, name: str, count: int) -> Floats:
    found = np.array(_value(text, name).split(), dtype=np.float64)
    if len(found) != count:
        raise ValueError(f"{name} has {len(found)} numbers, not {count}")
    return found


def _value(text: str, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{name} is missing")
    return found[1]


def _own(recipe: Recipe) -> LightGBMTeacher | LightGBMStudent:
    return cast(LightGBMTeacher | LightGBMStudent, recipe.parameters)


def _parameters(recipe: Recipe) -> dict[str, Any]:
    own = _own(recipe)
    return {
        **OBJECTIVES[recipe.target],
        "boost_from_average": False,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
        "seed": recipe.seed,
        "max_bin": own.max_bin,
        "max_depth": own.max_depth,
        "num_leaves": own.num_leaves,
        "learning_rate": own.eta,
        "min_data_in_leaf": own.min_data_in_leaf,
        "min_sum_hessian_in_leaf": own.min_child_weight,
        "bagging_fraction": own.subsample,
        "bagging_freq": 1,
        "feature_fraction": own.colsample_bytree,
        "lambda_l2": own.reg_lambda,
    }


def _dataset(rows: Rows, recipe: Recipe, train: "lgb.Dataset | None" = None) -> "lgb.Dataset":
    """Rows to fit on, with weights of mean 1, as penalties are in rows; with `train`, those that it is stopped on."""
    import lightgbm as lgb

    weight = rows.weight / rows.weight.mean() if train is None else None
    return lgb.Dataset(
        rows.x, rows.soft, weight=weight, init_score=rows.offset, reference=train, params=_parameters(recipe)
    )


def _text_of(booster: "lgb.Booster") -> "lgb.Booster":
    """The best rounds of a fitted booster, without its training rows."""
    return _read(booster.model_to_string())


def _read(text: str) -> "lgb.Booster":
    import lightgbm as lgb

    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as error:
        raise ValueError(str(error)) from None
