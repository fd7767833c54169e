"""Scikit-learn's trees as arrays: its own predictions, from a file that runs no code."""

import json
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from tests.strategies import recipe
from workers.bars.series import Floats
from workers.models.base import Rows, sigmoid
from workers.models.forests import ExtraTrees, HistGradientBoosting, RandomForest

NAMES = ("a", "b", "c")


def inputs(rows: int = 300, seed: int = 0) -> tuple[Floats, Floats]:
    """Inputs with missing values, and labels that follow the first one and whether the second is missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    y = (np.nan_to_num(x[:, 0]) + 2.0 * np.isnan(x[:, 1]) + rng.normal(size=rows) > 0.5).astype(np.float64)
    return x.astype(np.float64), y


def test_a_forest_predicts_as_scikit_learn_does() -> None:
    """Without an offset the classifier is fitted on the same rows; its shares are those of the arrays of nodes."""
    x, y = inputs()
    forest = RandomForest.fit(x, y, np.ones(300), np.zeros(300), recipe("random-forest", seed=4, trees=12))
    own = RandomForestClassifier(
        12, max_depth=4, min_samples_leaf=20, max_features=0.3, max_samples=0.8, random_state=4
    ).fit(x, y.astype(int), np.ones(300))
    other, _ = inputs(200, seed=1)
    share = np.clip(own.predict_proba(other)[:, 1], 0.01, 0.99)
    assert sigmoid(forest.margin(other)) == pytest.approx(share, abs=1e-12)


def test_a_teacher_that_was_stopped_is_one_of_so_many_rounds() -> None:
    """Its file is that of a fit of as many rounds: gains of trees that were not kept count nowhere."""
    (x, y), (tail_x, tail_y) = inputs(), inputs(120, seed=1)
    rows, tail = Rows(x, y, np.ones(300), np.zeros(300)), Rows(tail_x, tail_y, np.ones(120), np.zeros(120))
    stopped = HistGradientBoosting.fit_stopped(rows, tail, recipe("hist-boosting", "teacher", seed=4, max_rounds=60))
    assert stopped.rounds < 60
    fixed = recipe("hist-boosting", "teacher", seed=4, out_of_fold_rounds=stopped.rounds)
    assert HistGradientBoosting.fit(*rows, fixed).encode(NAMES) == stopped.model.encode(NAMES)


def test_boosting_predicts_as_scikit_learn_does() -> None:
    """The sum of the leaves' values is the classifier's raw prediction."""
    x, y = inputs()
    model = HistGradientBoosting.fit(x, y, np.ones(300), np.zeros(300), recipe("hist-boosting", seed=4))
    own = HistGradientBoostingClassifier(
        learning_rate=0.1, max_iter=40, max_depth=2, max_leaf_nodes=None, min_samples_leaf=20, l2_regularization=5.0,
        max_features=0.8, max_bins=64, early_stopping=False, random_state=4,
    ).fit(x, y.astype(int), np.ones(300))  # fmt: skip
    other, _ = inputs(200, seed=1)
    assert model.margin(other) == pytest.approx(own.decision_function(other), abs=1e-9)


def test_a_soft_label_is_two_weighted_hard_ones() -> None:
    """Labels of 0.5 alone carry no information: no margin is far from 0, whatever the inputs."""
    x, _ = inputs()
    for model_type, kind in ((RandomForest, "random-forest"), (HistGradientBoosting, "hist-boosting")):
        model = model_type.fit(x, np.full(300, 0.5), np.ones(300), np.zeros(300), recipe(kind))
        assert np.abs(model.margin(x)).max() < 0.6


def test_rows_of_one_class_are_fitted() -> None:
    """Where a block has one class, a forest predicts it, within what a share may be."""
    x, _ = inputs(80)
    model = ExtraTrees.fit(x, np.zeros(80), np.ones(80), np.zeros(80), recipe("extra-trees", trees=3))
    assert model.margin(x) == pytest.approx(np.full(80, np.log(0.01 / 0.99)))


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("left", 9_999, "does not exist"),
        ("left", 0, "does not exist"),
        ("right", 1, "two parents"),
        ("feature", 3, "does not exist"),
        ("threshold", None, "no number|finite"),
        ("value", "x", "could not convert|no number"),
        ("root", 7, "follow each other"),
        ("gain", [1.0], "one finite gain per feature"),
        ("missing_left", [True], "different lengths"),
        ("factor", None, "no number"),
    ],
)
def test_a_damaged_file_is_an_error(part: str, value: Any, reason: str) -> None:
    """References are checked before a row follows them, and every part before it is used."""
    x, y = inputs()
    model = RandomForest.fit(x, y, np.ones(300), np.zeros(300), recipe("random-forest", trees=2))
    parts = json.loads(model.encode(NAMES))
    if isinstance(value, list) or part == "factor":
        parts[part] = value
    else:
        parts[part][0] = value
    with pytest.raises(ValueError, match=reason):
        RandomForest.decode(json.dumps(parts).encode())
