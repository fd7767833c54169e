"""The linear student and the trees of values: equal to what scikit-learn and XGBoost compute when called directly."""

import numpy as np
import pytest
import xgboost as xgb
from sklearn.linear_model import Ridge

from schemas.config.target import VALUE
from tests.strategies import recipe
from workers.models.linear import Linear, ridge
from workers.models.logistic import Logistic
from workers.models.xgboost import XGBoost

RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 4)) * [1.0, 2.0, 0.5, 3.0]
OFFSET, WEIGHT = RNG.normal(size=300), RNG.uniform(0.1, 1.0, 300)
Y = OFFSET + X @ [0.5, -0.2, 0.0, 0.1] + RNG.normal(size=300)


def test_the_solution_is_scikit_learns() -> None:
    """With weights and a penalty per standardised coefficient, beside an offset."""
    fitted = Linear.fit(X, Y, WEIGHT, OFFSET, recipe("linear", ridge=20.0))
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    found = Ridge(alpha=20.0, tol=1e-12).fit(scaled, Y - OFFSET, WEIGHT)
    assert fitted.coefficients == pytest.approx(found.coef_ / X.std(axis=0), rel=1e-6)
    assert fitted.margin(X) == pytest.approx(found.predict(scaled), rel=1e-6)


def test_a_gradient_of_zero_is_the_minimum() -> None:
    """The penalised squared error does not fall in any direction."""
    penalty = np.array([3.0, 3.0, 3.0, 1e-6])
    found = ridge(X, Y, WEIGHT, OFFSET, penalty)
    gradient = X.T @ (WEIGHT * (Y - OFFSET - X @ found)) - penalty * found
    assert np.abs(gradient).max() < 1e-9


def test_the_teacher_is_xgboosts_own_regression() -> None:
    """The same trees as a direct call with the parameters of the default teacher, without rows or features drawn."""
    how = recipe("xgboost", "teacher", seed=3, target=VALUE, out_of_fold_rounds=5, subsample=1.0, colsample_bytree=1.0)
    model = XGBoost.fit(X.astype(np.float32), Y, WEIGHT, OFFSET, how)
    direct = {
        "objective": "reg:squarederror", "max_depth": 3, "eta": 0.05, "min_child_weight": 3.0, "reg_lambda": 5.0,
        "max_bin": 64, "base_score": 0.0, "tree_method": "hist", "nthread": 1,
    }  # fmt: skip
    rows = xgb.DMatrix(X.astype(np.float32), Y, weight=WEIGHT / WEIGHT.mean(), base_margin=OFFSET)
    again = xgb.train(direct, rows, 5)
    assert model.predict(X.astype(np.float32), OFFSET, VALUE) == pytest.approx(again.predict(rows), rel=1e-5)


def test_files_of_the_two_linear_kinds_are_not_mixed_up() -> None:
    """A probability read as a value, or the other way round, would be served without an error."""
    model = Linear.fit(X, Y, WEIGHT, OFFSET, recipe("linear"))
    with pytest.raises(ValueError, match="of kind linear, not logistic"):
        Logistic.decode(model.encode(("a", "b", "c", "d")))
