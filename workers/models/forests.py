"""Scikit-learn's ensembles of trees: random forest, extra trees, and gradient boosting on histograms.

After the fit only arrays of nodes are kept, stored as JSON: nothing is pickled, a file of unknown origin runs no code,
and a prediction needs numpy alone.

These estimators have no offset. Of classes they are fitted on balanced rows (`workers/models/balance.py`), of values on
what is left beside the offset.
"""

import json
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from schemas.config.model_kinds import ForestParameters, HistBoostingStudent, HistBoostingTeacher
from schemas.config.target import CLASS, VALUE, Target
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array
from workers.models.balance import balanced
from workers.models.base import Model, Recipe, Rows, Stopped, ranked
from workers.models.registry import register
from workers.models.trees import LEAF, refuse_other_tree

# A forest's share of trees that vote for a class is kept this far from 0 and 1 before its logit is taken.
LEAST_SHARE = 0.01
# Rows that walk through all trees at once.
CHUNK_ROWS = 4_096
# Endings of the names of scikit-learn's estimators.
ESTIMATORS: dict[Target, str] = {CLASS: "Classifier", VALUE: "Regressor"}
LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees, one after the other, in arrays; `root` has the first node of each tree.

    A row goes to `left` where its `feature` is at most `threshold`, or missing where `missing_left`; else to `right`.
    Children are numbers of nodes of the same tree, LEAF at a leaf, whose `value` counts.
    """

    root: Ints
    left: Ints
    right: Ints
    feature: Ints
    threshold: Floats
    missing_left: NDArray[np.bool_]
    value: Floats

    def values(self, x: Array) -> Floats:
        """The value of each row's leaf in each tree, shape (rows, trees)."""
        begins = range(0, max(len(x), 1), CHUNK_ROWS)
        return np.concatenate([self._walked(x[begin : begin + CHUNK_ROWS]) for begin in begins])

    def _walked(self, x: Array) -> Floats:
        seen = np.asarray(x, dtype=np.float32)
        rows = np.arange(len(seen))[:, None]
        node = np.zeros((len(seen), len(self.root)), dtype=np.int64)
        while True:
            at = node + self.root
            child, inner = self.left[at], self.left[at] != LEAF
            if not inner.any():
                result: Floats = self.value[at]
                return result
            asked = seen[rows, self.feature[at]]
            goes_left = np.where(np.isnan(asked), self.missing_left[at], asked <= self.threshold[at])
            node = np.where(inner, np.where(goes_left, child, self.right[at]), node)

    def first(self, trees: int) -> "Trees":
        """The first trees."""
        end = self.root[trees] if trees < len(self.root) else len(self.left)
        columns = {name: values[:end] for name, values in vars(self).items() if name != "root"}
        return Trees(root=self.root[:trees], **columns)


@dataclass(frozen=True)
class Forest(Model):
    """Trees of one of scikit-learn's estimators for a target; `gain` has what each feature gained in them."""

    is_fragile: ClassVar[bool] = False

    trees: Trees
    gain: Floats
    factor: float = 1.0
    target: Target = CLASS

    @classmethod
    @abstractmethod
    def fitted_trees(cls, x: Array, y: Ints | Floats, weight: Floats, recipe: Recipe) -> tuple[Trees, Floats]:
        """The estimator's trees and what features gained, from balanced rows, or values less their offset.

        Gains have shape (parts, features): one part per tree, or one for all.
        """

    @abstractmethod
    def joined(self, values: Floats) -> Floats:
        """Logit or value per row, from the values of its leaves, shape (rows, trees)."""

    @classmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        """Fit on rows that the base rate balances, or on values less their offset."""
        trees, gain = cls.fitted(Rows(x, soft, weight, offset), recipe)
        return cls(trees, gain.sum(axis=0), target=recipe.target)

    @classmethod
    def fitted(cls, given: Rows, recipe: Recipe) -> tuple[Trees, Floats]:
        """As `fitted_trees`, on rows that the base rate balances; a soft label is two weighted rows."""
        if recipe.target == VALUE:
            x, weight = np.asarray(given.x, dtype=np.float32), given.weight / given.weight.mean()
            return cls.fitted_trees(x, given.soft - given.offset, weight, recipe)
        rows, y, weight = balanced(given.soft, given.weight, given.offset)
        return cls.fitted_trees(np.asarray(given.x, dtype=np.float32)[rows], y, weight, recipe)

    def margin(self, x: Floats) -> Floats:
        """Margin per row of `x`, shape (rows, features)."""
        result: Floats = self.factor * self.joined(self.trees.values(x)) + 0.0
        return result

    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""
        return replace(self, factor=factor * self.factor)

    @property
    def rounds(self) -> int:
        """Trees of the model."""
        return len(self.trees.root)

    def importance(self, features: Sequence[str]) -> list[tuple[str, float, int]]:
        """(feature, share of total gain, rank) per feature, best first; a feature that no split uses has share 0."""
        return ranked(dict(zip(features, self.gain.tolist(), strict=True)))

    def encode(self, features: Sequence[str]) -> bytes:
        """The model as JSON: one list per array of nodes."""
        nodes = {name: values.tolist() for name, values in vars(self.trees).items()}
        of_values = {} if self.target == CLASS else {"target": self.target}
        parts = {"features": list(features), **of_values, "factor": self.factor, "gain": self.gain.tolist(), **nodes}
        return json.dumps(parts, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read a stored model. ValueError if a part is missing, or its trees are none."""
        try:
            parts = json.loads(content)
            types: dict[str, Any] = {"threshold": np.float64, "value": np.float64, "missing_left": np.bool_}
            nodes = {name: np.array(parts[name], types.get(name, np.int64)) for name in Trees.__dataclass_fields__}
            features, gain = tuple(map(str, parts["features"])), np.array(parts["gain"], dtype=np.float64)
            target = parts.get("target", CLASS)
            model = cls(Trees(**nodes), gain, float(parts["factor"]), target)
        except (KeyError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"a part is missing or no number: {error}") from None
        if target not in get_args(Target):
            raise ValueError(f"its target is {target!r}")
        if len(gain) != len(features) or not (np.isfinite(gain).all() and np.isfinite(model.factor)):
            raise ValueError("it has not one finite gain per feature, or its factor is not finite")
        _refuse_other(model.trees, len(features))
        return model, features


@register
@dataclass(frozen=True)
class RandomForest(Forest):
    """Random forest: the logit of the mean share of positives in a row's leaves, or the mean of their values."""

    kind: ClassVar[str] = "random-forest"
    file_name: ClassVar[str] = "model.random-forest.json"
    estimator: ClassVar[str] = "RandomForest"

    def joined(self, values: Floats) -> Floats:
        """Logit of the mean share, kept away from 0 and 1, or the mean value."""
        if self.target == VALUE:
            mean: Floats = values.mean(axis=1)
            return mean
        share = np.clip(values.mean(axis=1), LEAST_SHARE, 1.0 - LEAST_SHARE)
        result: Floats = np.log(share / (1.0 - share))
        return result

    @classmethod
    def fitted_trees(cls, x: Array, y: Ints | Floats, weight: Floats, recipe: Recipe) -> tuple[Trees, Floats]:
        """The trees of a fitted estimator of scikit-learn; a leaf's value is its share of positives, or its mean."""
        import sklearn.ensemble

        own = cast(ForestParameters, recipe.parameters)
        fitted = getattr(sklearn.ensemble, cls.estimator + ESTIMATORS[recipe.target])(
            own.trees, max_depth=own.max_depth, min_samples_leaf=own.min_samples_leaf, max_features=own.max_features,
            max_samples=own.max_samples, bootstrap=True, random_state=recipe.seed, n_jobs=1,
        ).fit(x, y, weight)  # fmt: skip
        column: int | None = 0
        if recipe.target == CLASS:
            column = int(np.flatnonzero(fitted.classes_ == 1)[0]) if 1 in fitted.classes_ else None
        trees = [each.tree_ for each in fitted.estimators_]
        share = [tree.value[:, 0, column] if column is not None else np.zeros(tree.node_count) for tree in trees]
        found = [
            (tree.children_left, tree.children_right, tree.feature, tree.threshold, tree.missing_go_to_left, value)
            for tree, value in zip(trees, share, strict=True)
        ]
        return _joined(found), np.asarray(fitted.feature_importances_, dtype=np.float64)[None]


@register
@dataclass(frozen=True)
class ExtraTrees(RandomForest):
    """Extra trees: thresholds are drawn at random."""

    kind: ClassVar[str] = "extra-trees"
    file_name: ClassVar[str] = "model.extra-trees.json"
    estimator: ClassVar[str] = "ExtraTrees"


@register
@dataclass(frozen=True)
class HistGradientBoosting(Forest):
    """Gradient boosting on histograms: the sum of a row's leaves."""

    kind: ClassVar[str] = "hist-boosting"
    file_name: ClassVar[str] = "model.hist-boosting.json"

    def joined(self, values: Floats) -> Floats:
        """The sum of the leaves' values."""
        result: Floats = values.sum(axis=1)
        return result

    @classmethod
    def fit_stopped(cls, rows: Rows, tail: Rows, recipe: Recipe) -> Stopped[Self]:
        """Fit all rounds, and keep as many as have the lowest loss of `tail`."""
        own = cast(HistBoostingTeacher, recipe.parameters)
        whole = own.model_copy(update={"out_of_fold_rounds": own.max_rounds})
        trees, gain = cls.fitted(rows, replace(recipe, parameters=whole))
        margin = tail.offset[:, None] + np.cumsum(trees.values(tail.x), axis=1)
        soft = tail.soft[:, None]
        by_row = np.logaddexp(0.0, margin) - soft * margin if recipe.target == CLASS else (soft - margin) ** 2
        losses = by_row.mean(axis=0)
        rounds = int(np.argmin(losses)) + 1
        model = cls(trees.first(rounds), gain[:rounds].sum(axis=0), target=recipe.target)
        return Stopped(model, rounds, {**own.model_dump(), "seed": recipe.seed})

    @classmethod
    def fitted_trees(cls, x: Array, y: Ints | Floats, weight: Floats, recipe: Recipe) -> tuple[Trees, Floats]:
        """The trees of a fitted estimator of scikit-learn; what it begins from is in the leaves of the first one."""
        import sklearn.ensemble
        from threadpoolctl import threadpool_limits

        own = cast(HistBoostingTeacher | HistBoostingStudent, recipe.parameters)
        estimator = getattr(sklearn.ensemble, f"HistGradientBoosting{ESTIMATORS[recipe.target]}")(
            learning_rate=own.eta, max_iter=own.fixed_rounds, max_depth=own.max_depth, max_leaf_nodes=None,
            min_samples_leaf=own.min_samples_leaf, l2_regularization=own.reg_lambda, max_features=own.max_features,
            max_bins=own.max_bin, early_stopping=False, random_state=recipe.seed,
        )  # fmt: skip
        with threadpool_limits(limits=1, user_api="openmp"):  # sums of several threads end in other bits
            fitted = estimator.fit(x, y, weight)
        gain, found = np.zeros((len(fitted._predictors), x.shape[1])), list[tuple[NDArray[Any], ...]]()
        for number, (predictor,) in enumerate(fitted._predictors):
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            np.add.at(gain[number], nodes["feature_idx"][~leaf], nodes["gain"][~leaf])
            left, right = (np.where(leaf, LEAF, nodes[side].astype(np.int64)) for side in ("left", "right"))
            value = nodes["value"] + (float(fitted._baseline_prediction[0, 0]) if not found else 0.0)
            asked = (nodes[name] for name in ("feature_idx", "num_threshold", "missing_go_to_left"))
            found.append((left, right, *asked, value))
        return _joined(found), gain


def _joined(trees: Sequence[Sequence[NDArray[Any]]]) -> Trees:
    """Arrays of nodes of each tree as one, with 0 for what a leaf does not use."""
    sizes = [len(tree[0]) for tree in trees]
    left, right, feature, threshold, missing, value = (
        np.concatenate([np.asarray(column) for column in columns]) for columns in zip(*trees, strict=True)
    )
    inner = left != LEAF
    # A split that asks only whether a value is missing has an infinite threshold.
    bounded = np.where(inner, np.clip(threshold.astype(np.float64), -LARGEST, LARGEST), 0.0)
    return Trees(
        np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64),
        left.astype(np.int64),
        np.where(inner, right, LEAF).astype(np.int64),
        np.where(inner, feature, 0).astype(np.int64),
        bounded,
        np.where(inner, missing.astype(bool), False),
        np.where(inner, 0.0, value.astype(np.float64)),
    )


def _refuse_other(trees: Trees, features: int) -> None:
    """ValueError unless arrays of nodes are trees."""
    count, root = len(trees.left), trees.root
    if any(len(values) != count or values.ndim != 1 for name, values in vars(trees).items() if name != "root"):
        raise ValueError("arrays of nodes of different lengths")
    if root.ndim != 1 or not len(root) or root[0] != 0 or np.any(np.diff(root) <= 0) or root[-1] >= count:
        raise ValueError("trees that do not follow each other")
    for begin, end in zip(root, [*root[1:], count], strict=True):
        nodes = slice(begin, end)
        values = np.concatenate([trees.threshold[nodes], trees.value[nodes]])
        refuse_other_tree(trees.left[nodes], trees.right[nodes], trees.feature[nodes], values, features)
