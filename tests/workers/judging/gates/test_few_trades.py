"""The Sharpe ratio of a book that hardly trades: resamples without a trade have no ratio."""

import numpy as np

from schemas.contract.judgement import Ruling
from workers.judging.gates.economics import _sharpe_ratio


def test_one_day_of_trades_has_no_interval() -> None:
    """Students that are flat leave few days with a return; that is not computable, and no error."""
    daily = np.zeros(200)
    daily[50] = 0.01
    found = _sharpe_ratio(daily, {"min_block": 5, "repetitions": 200, "seed": 1})
    assert found.ruling is Ruling.NOT_COMPUTABLE
    assert "1 of 200" in found.reason
