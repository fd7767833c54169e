"""LightGBM's file: trees that are none, and names that its text cannot hold."""

import re

import numpy as np
import pytest

from tests.strategies import recipe

pytest.importorskip("lightgbm", reason="the extra [lightgbm] is not installed")

from workers.models.lightgbm import LightGBM, refuse_other_text


@pytest.fixture(scope="module")
def text() -> str:
    """The file of a small model of two features."""
    x = np.random.default_rng(0).normal(size=(300, 2))
    model = LightGBM.fit(x, (x[:, 0] > 0).astype(float), np.ones(300), np.zeros(300), recipe("lightgbm", rounds=3))
    return model.encode(("a", "b")).decode()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("left_child", "9999", "does not exist"),
        ("left_child", "0", "does not exist"),
        ("right_child", "-1", "two parents"),
        ("right_child", "-9999", "does not exist"),
        ("split_feature", "2", "does not exist"),
        ("threshold", "nan", "not finite"),
        ("leaf_value", "inf", "not finite"),
        ("num_cat", "1", "by category"),
        ("num_leaves", "400", "numbers, not"),
    ],
)
def test_a_tree_that_rows_could_leave_is_none(text: str, name: str, value: str, reason: str) -> None:
    """References out of a tree or back into it are found in the text, before LightGBM follows them."""
    refuse_other_text(text)
    changed = re.sub(rf"^{name}=\S+", f"{name}={value}", text, count=1, flags=re.MULTILINE)
    assert changed != text
    with pytest.raises(ValueError, match=reason):
        refuse_other_text(changed)


def test_the_file_is_lightgbms_own(text: str) -> None:
    """LightGBM reads it without this project, with the names of the features, and predicts the same."""
    import lightgbm as lgb

    plain, (model, _) = lgb.Booster(model_str=text), LightGBM.decode(text.encode())
    x = np.random.default_rng(1).normal(size=(20, 2))
    assert plain.feature_name() == ["a", "b"]
    assert plain.predict(x, raw_score=True).tobytes() == model.margin(x).tobytes()


def test_a_factor_that_is_missing_or_not_finite_is_an_error(text: str) -> None:
    for factor in ("", "factor=nan\n"):
        with pytest.raises(ValueError, match=r"factor|could not convert"):
            LightGBM.decode(re.sub(r"factor=.*\n", factor, text, count=1).encode())


def test_a_name_with_a_space_is_refused(text: str) -> None:
    model, _ = LightGBM.decode(text.encode())
    with pytest.raises(ValueError, match="holds a space"):
        model.encode(("a", "b c"))
