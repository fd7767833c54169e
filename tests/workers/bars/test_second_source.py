"""Bars under a wrong symbol: duplicate series, and comparison with a second source."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.bars.duplicate_series import same_series
from schemas.contract.quality import Check, Verdict
from tests.strategies import daily_walk, examples
from tests.workers.bars.walks import daily, keep, minutely, only, scaled
from workers.bars.calendar import day_of
from workers.bars.second_source import month_digests, second_source
from workers.bars.series import Series

SPAN = date(2024, 1, 1), date(2024, 12, 31)


def moved_closes(series: Series, rows: np.ndarray, by: float) -> Series:
    """`series` whose closes in `rows` are changed by the fraction `by`."""
    return replace(series, close=np.where(np.isin(np.arange(len(series)), rows), series.close * (1 + by), series.close))


# --- month_digests


def test_months_of_enough_bars_have_a_digest() -> None:
    """A calendar month needs five bars; an empty series has no digests."""
    series = daily(date(2024, 1, 26), date(2024, 4, 4))
    assert list(month_digests(series)) == ["2024-02", "2024-03"]
    assert list(month_digests(daily(date(2024, 1, 25), date(2024, 3, 31)))) == ["2024-02", "2024-03"]
    assert list(month_digests(daily(date(2024, 1, 24), date(2024, 3, 31)))) == ["2024-01", "2024-02", "2024-03"]
    assert month_digests(keep(series, slice(0, 0))) == {}


def test_a_digest_is_of_its_month_alone() -> None:
    """A digest depends on its month's prices, not on more history or on volumes."""
    series = daily(*SPAN)
    whole = month_digests(series)
    inner = month_digests(keep(series, slice(40, 200)))
    assert {month: whole[month] for month in list(inner)[1:-1]} == {month: inner[month] for month in list(inner)[1:-1]}
    assert month_digests(replace(series, volume=series.volume + 1)) == whole
    changed = month_digests(moved_closes(series, np.array([60]), 1e-9))
    assert [month for month in whole if whole[month] != changed[month]] == [str(day_of(series.session[60]))[:7]]


def test_digests_are_short_and_differ() -> None:
    """Digests are sixteen hexadecimal digits and differ between months, also of minute bars."""
    digests = month_digests(minutely(date(2024, 1, 1), date(2024, 3, 31), minutes=5))
    assert len(set(digests.values())) == 3
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests.values())


def test_days_before_1970_are_days_too() -> None:
    """Months before and after 1970-01-01 are distinguished."""
    series = replace(daily_walk(40), session=np.arange(-20, 20))
    assert list(month_digests(series)) == ["1969-12", "1970-01"]


# --- duplicate series, as the orchestrator finds them by digest


def test_one_file_under_two_names_is_found() -> None:
    """Two symbols with one series are both rejected, and each finding names the other; a third symbol is not."""
    digests = {name: month_digests(daily(*SPAN, seed=seed)) for name, seed in (("A", 1), ("B", 2), ("C", 1))}
    found = same_series(digests)
    assert sorted(found) == ["A", "C"]
    assert "C" in found["A"].detail and "A" in found["C"].detail
    assert {finding.verdict for finding in found.values()} == {Verdict.REJECT}


def test_a_month_in_common_is_a_coincidence() -> None:
    """One equal month, or fewer than half of the common months, does not reject."""
    one, other = (month_digests(daily(*SPAN, seed=seed)) for seed in (1, 2))
    months = list(one)
    assert same_series({"A": one, "B": other | {month: one[month] for month in months[:1]}}) == {}
    assert same_series({"A": one, "B": other | {month: one[month] for month in months[:5]}}) == {}
    assert sorted(same_series({"A": one, "B": other | {month: one[month] for month in months[:6]}})) == ["A", "B"]


# --- SECOND_SOURCE


@given(st.integers(0, 2**16), st.floats(0.01, 100))
@examples(20)
def test_a_source_in_other_units_agrees(seed: int, scale: float) -> None:
    """Returns are compared, so a factor over all prices and missing days are no difference."""
    series = daily_walk(120, seed)
    rows = np.random.default_rng(seed).random(120) < 0.9
    assert second_source(series, scaled(keep(series, rows), np.full(int(rows.sum()), scale)), "csv:other") == []


def test_days_that_differ_are_counted_and_the_first_named() -> None:
    """One wrong close makes two wrong returns, the day's own and the next one's."""
    series = daily_walk(300)
    finding = only(second_source(series, moved_closes(series, np.array([70]), 0.2), "csv:other"), Check.SECOND_SOURCE)
    day = str(day_of(series.session[70]))
    here = series.close[70] / series.close[69] - 1
    assert (finding.verdict, finding.count, finding.where) == (Verdict.WARN, 2, day)
    assert f"{day} with {here:+.2%} here and {1.2 * (1 + here) - 1:+.2%} there" in finding.detail


@pytest.mark.parametrize(("by", "found"), [(0.005, False), (0.02, True)])
def test_a_percentage_point_is_the_limit(by: float, found: bool) -> None:
    """Returns may differ by up to a percentage point."""
    series = daily_walk(300)
    assert len(second_source(series, moved_closes(series, np.array([70]), by), "csv:other")) == found


@pytest.mark.parametrize(("wrong", "verdict"), [(5, Verdict.WARN), (6, Verdict.REJECT)])
def test_one_session_in_twenty_is_the_limit(wrong: int, verdict: Verdict) -> None:
    """Two returns for each wrong close: ten of two hundred sessions may differ, twelve are another series."""
    series = daily_walk(200)
    other = moved_closes(series, np.arange(1, wrong + 1) * 20, 0.2)
    finding = only(second_source(series, other, "csv:other"), Check.SECOND_SOURCE)
    assert (finding.verdict, finding.count) == (verdict, 2 * wrong)


def test_minutes_are_compared_by_their_last_close() -> None:
    """Minute bars are compared by the last close of each session, so daily bars can be the second source."""
    minutes = minutely(*SPAN, minutes=30)
    last = np.flatnonzero(np.append(np.diff(minutes.session) != 0, True))
    assert second_source(minutes, keep(minutes, last), "csv:daily") == []


@pytest.mark.parametrize("common", [0, 19, 20])
def test_too_few_days_in_common_are_a_warning(common: int) -> None:
    """Fewer than twenty common sessions are reported, because no finding would mean agreement."""
    series = daily_walk(100)
    findings = second_source(series, keep(series, slice(0, common)), "csv:other")
    if common == 20:
        assert findings == []
        return
    finding = only(findings, Check.SECOND_SOURCE)
    assert (finding.verdict, finding.count, finding.where) == (Verdict.WARN, common, "csv:other")
    assert f"{common} sessions" in finding.detail
