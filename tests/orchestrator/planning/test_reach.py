"""Settings that cannot work, found from coverage alone: sessions, thresholds, days for the gates."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.planning.reach import doubts, impossible_labels
from orchestrator.planning.windows import plan
from orchestrator.runs.settings import resolve
from schemas.config.interval import Interval
from schemas.config.run import RunConfig
from schemas.contract.coverage import Rises
from schemas.contract.errors import RequestError
from schemas.contract.window import MIN_CLASS_ROWS, SkipReason
from tests.known import coverage_of, table_of
from tests.strategies import examples, walk_on
from tests.workers.bars.walks import minutely
from workers.bars.rises import rises_of
from workers.learning.labels import label

START, END = date(2022, 1, 3), date(2023, 1, 2)
WEEKDAYS = [day for n in range(900) if (day := date(2021, 1, 4) + timedelta(days=n)).weekday() < 5]


def config(**changes: Any) -> RunConfig:
    dates = {"source": "csv:bars", "symbols": ("A",), "start_date": START, "end_date": END}
    return RunConfig.model_validate(dates | changes)


def rises(largest: float, usual: float) -> Rises:
    return Rises(largest=(largest,) * 10, usual=(usual,) * 10)


def test_a_label_longer_than_a_session_is_refused_before_anything_starts() -> None:
    """75 bars of 5 minutes are a session of NSE; a label of 75 more bars after its decision does not fit."""
    flags = {"source": "csv:bars", "start_date": "2022-01-03", "end_date": "2023-01-02", "interval": "5minute"}
    with pytest.raises(RequestError, match="no label of 75 bars ends inside a session of NSE, which has 75 bars"):
        resolve(RunConfig, flags | {"horizon": "75"}, None, {})
    assert resolve(RunConfig, flags | {"horizon": "74"}, None, {}).horizon == 74
    assert resolve(RunConfig, flags | {"horizon": "75", "cross_session": True}, None, {}).horizon == 75
    with pytest.raises(RequestError, match="inside a day, which has 288 bars"):
        resolve(RunConfig, flags | {"horizon": "288", "calendar": "24/7"}, None, {})


def test_a_label_longer_than_the_sessions_that_are_stored_skips_its_windows() -> None:
    """Sessions of other exchanges are known from the bars."""
    wanted = config(interval="30minute", calendar="none", horizon=7)
    reason, sentence = impossible_labels(coverage_of("A", WEEKDAYS, 7), wanted) or (None, "")
    assert reason is SkipReason.INSUFFICIENT_SAMPLES and "no session has more than 7 bars" in sentence
    assert impossible_labels(coverage_of("A", WEEKDAYS, 8), wanted) is None


def test_a_threshold_out_of_reach_skips_windows_in_the_plan() -> None:
    """The reason and both numbers are in the plan, before anything is trained."""
    row = coverage_of("A", WEEKDAYS, rises=rises(0.0123, 0.004))
    (first, *_) = plan(config(), table_of(row))
    assert first.skip is SkipReason.SINGLE_CLASS
    assert "prices rise by at most 0.0123 within 5 bars of 1day, and labels need more than 0.02" in first.detail
    for fits in ({"threshold": 0.01}, {"threshold_unit": "sigma"}, {"label": "triple-barrier"}):
        assert impossible_labels(row, config(**fits)) is None
    net = config(threshold=0.01, label_return="net")
    assert impossible_labels(row, net) is not None, "costs are earned as well"


def test_a_rare_label_and_too_few_days_are_said() -> None:
    """A threshold that 1 bar in 100 reaches, and a year that scores too few days for the gates, are doubtful."""
    row = coverage_of("A", WEEKDAYS, rises=rises(0.2, 0.019))
    (rare,) = doubts(config(), plan(config(), table_of(row)), table_of(row))
    assert "fewer than 1 in 100 labels of A can be 1" in rare
    short = config(step_days=30, end_date=date(2022, 7, 4), window_days=180)
    (few,) = doubts(short, plan(short, table_of()), None)
    assert "need 60 scored days and these windows score at most 25" in few
    assert doubts(short, plan(short, table_of()), table_of()) == []  # no window is left: its reason is the advice
    known = table_of(coverage_of("A", WEEKDAYS))
    long = config(end_date=date(2022, 9, 1), step_days=80)
    assert doubts(long, plan(long, known), known) == []


@examples(40)
@given(seed=st.integers(0, 50), horizon=st.integers(1, 60), intraday=st.booleans())
def test_no_label_exceeds_the_bound(seed: int, horizon: int, intraday: bool) -> None:
    """At a threshold of the stored rise, fewer labels are 1 than a class needs: no trainable window is skipped."""
    series = minutely(date(2023, 1, 2), date(2023, 1, 4), seed) if intraday else walk_on(np.arange(400), seed)
    interval: Interval = "1minute" if intraday else "1day"
    bound = rises_of(series, interval).largest[(horizon - 1).bit_length()]
    for entry in ("next-open", "close"):
        settings = config(horizon=horizon, threshold=bound, interval=interval, entry=entry).training()
        assert int(label(series, settings).y.sum()) < MIN_CLASS_ROWS


def test_weekly_bars_have_a_note_that_days_are_weeks() -> None:
    """Gates and report count returns, which they call days."""
    weekly = config(interval="1week", end_date=date(2022, 9, 1), step_days=80)
    assert any("each is a week" in sentence for sentence in doubts(weekly, plan(weekly, table_of()), None))


def test_a_setting_without_effect_is_named() -> None:
    """A changed setting that decides nothing beside the others has a note; it makes another configuration."""

    def idle(**changes: Any) -> list[str]:
        return [each.split()[0] for each in doubts(config(**changes), (), None) if "has no effect" in each]

    assert idle() == idle(label="triple-barrier", take_profit=2.0, threshold=0.01) == []
    assert idle(take_profit=2.0, stop_loss=0.5) == ["--take-profit", "--stop-loss"]
    assert idle(label="rank", threshold=0.0, threshold_unit="sigma") == ["--threshold", "--threshold-unit"]
    assert idle(distill_weight=0.3) == ["--distill-weight"]
    assert idle(distill_weight=0.3, privileged=("path",)) == []
