"""Labels that are values: what they are, which kinds learn them, and how a student of them is shrunk and trades."""

import numpy as np
import pytest
from pydantic import ValidationError

from schemas.config.label_identity import label_identity
from schemas.config.run import RunConfig
from schemas.config.target import CLASS, VALUE
from tests.controls.harness import Trained, walk_forward
from tests.controls.worlds import mean_reverting, random_walk
from tests.strategies import daily_walk, training_settings
from workers.learning.labels import label, volatility
from workers.learning.student import shrinkage, trade_threshold, value_threshold
from workers.scoring.family import FAMILIES

BARS = daily_walk(420)
SETTINGS = training_settings(label="return", student="linear")


def test_a_label_is_the_log_return_over_the_horizon() -> None:
    """From the next open to the close at the horizon; net of costs and in volatilities where that is asked for."""
    found = label(BARS, SETTINGS)
    gross = np.log(BARS.close[found.t1] / BARS.open[found.t0 + 1])
    assert found.y.dtype == np.float64 and found.y == pytest.approx(gross, abs=1e-15)
    net = label(BARS, training_settings(label="return", student="linear", label_return="net"))
    assert net.y == pytest.approx(np.log1p(np.expm1(gross) - SETTINGS.round_trip_cost))
    scaled = label(BARS, training_settings(label="return", student="linear", threshold_unit="sigma"))
    sigma = volatility(BARS, by_session=False)[scaled.t0]
    assert scaled.y == pytest.approx(found.y[np.isin(found.t0, scaled.t0)] / (sigma * np.sqrt(5)))


def test_settings_that_decide_a_value_are_its_identity() -> None:
    """The unit and costs count, the threshold and the barriers do not."""
    same = training_settings(label="return", student="linear", threshold=0.5, take_profit=3.0)
    assert label_identity(same) == label_identity(SETTINGS)
    for change in ({"threshold_unit": "sigma"}, {"label_return": "net"}, {"horizon_bars": 6}):
        assert label_identity(training_settings(label="return", student="linear", **change)) != label_identity(SETTINGS)
    assert "gross log return from the next open" in SETTINGS.label_rule


def test_a_kind_that_does_not_predict_the_target_is_refused_by_name() -> None:
    """And without --student a value has the linear one."""
    dates = {"start_date": "2020-01-01", "end_date": "2022-01-01"}
    assert RunConfig.model_validate(dates | {"label": "return"}).student == "linear"
    assert RunConfig.model_validate(dates).student == "logistic"
    with pytest.raises(ValidationError, match=r"'logistic' does not predict values.*these do: linear, booster"):
        RunConfig.model_validate(dates | {"label": "return", "student": "logistic"})
    with pytest.raises(ValidationError, match=r"'linear' does not predict classes.*these do: logistic, booster"):
        RunConfig.model_validate(dates | {"student": "linear"})


def test_shrinkage_is_the_same_in_every_unit() -> None:
    """What is kept of a slope does not depend on the unit of the label or of the margin; noise is not kept."""
    rng = np.random.default_rng(0)
    x, rows = rng.normal(size=2_000), np.arange(2_000) // 10
    y, ones, zeros = 0.1 * x + rng.normal(size=2_000), np.ones(2_000), np.zeros(2_000)
    kept = [
        shrinkage(margin * x, zeros, unit * y, ones, rows, 0.1, FAMILIES[VALUE]).kept
        for unit, margin in ((1.0, 1.0), (0.02, 1.0), (1.0, 5.0))
    ]
    assert kept == pytest.approx([kept[0]] * 3, rel=1e-4) and kept[0] > 0.5
    assert shrinkage(rng.normal(size=2_000), zeros, y, ones, rows, 0.1, FAMILIES[VALUE]).kept < 0.1
    assert shrinkage(zeros, zeros, y, ones, rows, 0.1, FAMILIES[VALUE]).kept == 0.0


def test_a_value_is_shrunk_as_a_class_of_the_same_information() -> None:
    """With labels of 0 and 1 around a half as much of a slope is kept as by the logistic model."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=4_000)
    y = (rng.random(4_000) < 1 / (1 + np.exp(-0.15 * x))).astype(np.int8)
    ones, rows = np.ones(4_000), np.arange(4_000) // 10
    of_class = shrinkage(x, np.zeros(4_000), y, ones, rows, 0.1, FAMILIES[CLASS])
    of_value = shrinkage(x, np.full(4_000, 0.5), y.astype(np.float64), ones, rows, 0.1, FAMILIES[VALUE])
    assert of_value.kept == pytest.approx(of_class.kept, abs=0.02)


def test_a_trade_pays_where_the_mean_return_of_such_labels_is_the_cost() -> None:
    """Of labels of 0 and 1 that is the threshold of classes; of returns themselves it is the cost."""
    rng = np.random.default_rng(2)
    returns, y = rng.normal(0.001, 0.02, 500), (rng.random(500) < 0.4).astype(np.float64)
    returns += 0.02 * y
    assert value_threshold(y, returns, 0.003) == pytest.approx(trade_threshold(y, returns, 0.003))
    assert value_threshold(returns, returns, 0.003) == pytest.approx(0.003)
    assert value_threshold(-returns, returns, 0.003) is None
    assert value_threshold(np.ones(3), returns[:3], 0.003) is None


@pytest.fixture(scope="module")
def reverting() -> list[Trained]:
    """Two symbols whose price reverts, three windows each."""
    markets = {f"S{seed}": mean_reverting(700, seed) for seed in range(2)}
    return walk_forward(markets, training_settings(label="return", student="linear", horizon_bars=1), 180, 180)


def r2(trained: list[Trained]) -> float:
    """Share of the historical mean's squared error that students save on scored rows."""
    y, prior, student = (
        np.concatenate(parts)
        for parts in zip(*((each.y, each.student.prior, each.student.scored_student) for each in trained), strict=True)
    )
    return float(1.0 - ((y - student) ** 2).sum() / ((y - prior) ** 2).sum())


def test_a_planted_signal_is_found_and_traded(reverting: list[Trained]) -> None:
    """Students save more than 10 % of the error, and most windows trade above a value near the cost."""
    assert r2(reverting) > 0.1
    above = [value for each in reverting for value in each.student.serving.trade_above.values()]
    found = [value for value in above if value is not None]
    assert len(found) > len(above) / 2
    assert found == pytest.approx([SETTINGS.round_trip_cost] * len(found), abs=0.001)


def test_random_walks_are_left_at_the_historical_mean() -> None:
    """Nothing is saved, little is lost, and metrics have the names of values."""
    settings = training_settings(label="return", student="linear")
    trained = walk_forward({f"W{seed}": random_walk(700, seed) for seed in range(2)}, settings, 180, 180)
    assert -0.01 < r2(trained) < 0.002
    metrics = trained[0].teacher.metrics | trained[0].student.metrics
    assert not any("log_loss" in name or name == "positives" for name in metrics)
    assert {"scored_squared_error", "tail_squared_error", "historical_mean", "mean_label"} <= metrics.keys()
