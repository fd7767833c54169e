"""What the permutation test is given: the improvement of each row over the base rate under either label."""

import numpy as np
import pytest

from schemas.config.target import CLASS
from workers.judging.gates.skill import panel
from workers.judging.predictions import Predictions
from workers.scoring.family import FAMILIES


def test_the_panel_holds_the_improvement_under_either_label() -> None:
    """For label y the row's own cell is log(p of the student) - log(p of the base rate); NaN where there is no row."""
    nothing, names = np.zeros(3), np.array(["A", "A", "B"], dtype=object)
    given = Predictions(
        symbol=names, timestamp=np.array([1, 2, 2]), label_end=np.array([3, 4, 4]), day=np.array([1, 2, 2]),
        y=np.array([1.0, 0.0, 1.0]), student=np.array([0.6, 0.3, 0.5]), prior=np.array([0.5, 0.4, 0.2]),
        forward_return=nothing, alone=nothing, logistic=nothing, teacher=nothing, window_share=nothing,
        trade_above=nothing, window=names,
    )  # fmt: skip
    if_one, if_zero, y = panel(given, FAMILIES[CLASS])
    nan = np.nan
    assert if_one == pytest.approx(np.log([[1.2, nan], [0.75, 2.5]]), nan_ok=True)
    assert if_zero == pytest.approx(np.log([[0.8, nan], [0.7 / 0.6, 0.5 / 0.8]]), nan_ok=True)
    assert y == pytest.approx(np.array([[1.0, nan], [0.0, 1.0]]), nan_ok=True)
