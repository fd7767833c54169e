"""Each interval from a file through gate, labels, embargo, book and annualisation, by values worked out by hand."""

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest

from schemas.config.bars import BarsConfig
from schemas.config.costs import CostRates
from schemas.config.interval import INTERVAL_MINUTES, Interval
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import Coverage, CoverageTable
from schemas.contract.quality import Verdict
from schemas.contract.window import WARMUP_BARS, Window
from tests.strategies import training_settings, walk_on
from tests.workers.bars.walks import calm, daily, minutely
from workers.bars import store
from workers.bars.calendar import day_number, day_of
from workers.bars.ingestion import assess
from workers.bars.series import COLUMNS, Series
from workers.judging.book import Decisions, Terms, keep_book
from workers.judging.performance import results
from workers.judging.predictions import Predictions
from workers.learning.history import prepare, select_rows

HORIZON, EMBARGO = 1, 2
# Bars per session: of the 375 minutes of NSE, the last bar may be short, and of the 1,440 of a day.
NSE = {
    "1minute": 375, "3minute": 125, "5minute": 75, "10minute": 38, "15minute": 25, "30minute": 13, "60minute": 7,
    "120minute": 4, "240minute": 2, "1day": 1, "1week": 1,
}  # fmt: skip
ALWAYS = {
    "1minute": 1440, "3minute": 480, "5minute": 288, "10minute": 144, "15minute": 96, "30minute": 48, "60minute": 24,
    "120minute": 12, "240minute": 6, "1day": 1,
}  # fmt: skip
CASES = [("NSE", interval, bars) for interval, bars in NSE.items()]
CASES += [("24/7", interval, bars) for interval, bars in ALWAYS.items()]


def made(calendar: str, interval: Interval, per_session: int) -> Series:
    """Bars of enough sessions for the warm-up and 80 bars, of at least 20 sessions."""
    first = date(2023, 1, 2)
    sessions = max(20, math.ceil((WARMUP_BARS + 80) / per_session))
    days = sessions * (7 if interval == "1week" else 1 if calendar == "24/7" else 2)
    last = first + timedelta(days=days)
    if interval == "1week":
        monday = day_number(first) + 7 * np.arange(sessions)
        return calm(walk_on(monday, 1), 0.5)
    if interval == "1day":
        return daily(first, last, 1, calendar)
    return minutely(first, last, 1, INTERVAL_MINUTES[interval], calendar)


def stored(folder: Path, series: Series, calendar: str, interval: Interval) -> tuple[Coverage, Series]:
    """What the gate stores of these bars as a CSV file with times in UTC, or dates of daily and weekly bars."""
    zone = "UTC" if calendar == "24/7" else "Asia/Kolkata"
    intraday = interval not in ("1day", "1week")
    kind = pa.timestamp("us", tz="UTC") if intraday else pa.date32()
    stamps = pa.array(series.timestamp, kind) if intraday else pa.array(series.session.astype(np.int32), kind)
    columns = {"timestamp": stamps} | {name: pa.array(getattr(series, name)) for name in COLUMNS}
    arrow_csv.write_csv(pa.table(columns), folder / "BTC.csv")
    settings = BarsConfig(source=f"csv:{folder}", interval=interval, calendar=calendar, timezone=zone).bars(None, None)
    assessed = assess(settings, "BTC", str(folder), lambda: None)
    assert assessed.ingested.stored is not None, assessed.ingested.rejected
    return assessed.ingested.stored, store.decode(assessed.content)[0]


@pytest.mark.parametrize(("calendar", "interval", "per_session"), CASES)
def test_an_interval_goes_through_gate_labels_embargo_book_and_year(
    tmp_path: Path, calendar: str, interval: Interval, per_session: int
) -> None:
    """Bars per session, rows per session, the bars that the embargo keeps free, one trade, and returns per year."""
    intraday = interval not in ("1day", "1week")
    coverage, series = stored(tmp_path, made(calendar, interval, per_session), calendar, interval)

    # The gate: no finding, and the bars of a whole session.
    assert (coverage.verdict, coverage.findings) == (Verdict.OK, ())
    assert coverage.most_bars_a_session == per_session
    assert coverage.bars == per_session * coverage.sessions
    expected = coverage.sessions_expected
    assert expected == (None if interval == "1week" else coverage.sessions)

    # Labels: a session of n bars has n - 1 rows of a horizon of 1; without sessions, the last bar alone has none.
    settings = training_settings(interval=interval, horizon_bars=HORIZON, embargo_bars=EMBARGO, min_rows=20)
    history = prepare(series, settings)
    own = coverage.sessions * (per_session - HORIZON) if intraday else coverage.bars - HORIZON
    assert len(history.labels) == own

    # The embargo: the window ends before the last 3 sessions (or 10 bars); horizon and embargo end before them.
    held_out = 3 if intraday else 10
    days = np.unique(series.session)
    begin, end = days[0], days[-held_out]
    window = Window(symbol="BTC", start=day_of(begin), end=day_of(end), score_end=day_of(days[-1]) + timedelta(days=1))
    rows = select_rows(history, window, settings)
    before = (coverage.sessions - held_out) * per_session
    last = int(history.labels.t0[rows.train[-1]])
    if not intraday or per_session > HORIZON + EMBARGO:
        # Bars last + 1 (horizon), + 2 and + 3 (embargo) are the last that the teacher may use.
        assert last == before - 1 - HORIZON - EMBARGO
    else:
        assert last == before - 2 * per_session  # of NSE's two bars of four hours, in the session before
    assert int(history.labels.t0[rows.train[0]]) >= WARMUP_BARS
    assert len(rows.scored) == (held_out * (per_session - HORIZON) if intraday else held_out - HORIZON)

    # The book: a decision at every bar holds the whole capital from open to open; intraday, no night is held.
    chosen = history.labels.t0[rows.scored]
    count = len(rows.scored)
    zeros = np.zeros(count)
    entry = series.open[chosen + 1]
    predictions = Predictions(
        np.full(count, "BTC", dtype=object), series.timestamp[chosen], series.timestamp[chosen + HORIZON],
        series.session[chosen], zeros, series.close[chosen + HORIZON] / entry - 1.0, zeros, zeros, zeros, zeros, zeros,
        zeros, zeros, np.full(count, window.label, dtype=object),
    )  # fmt: skip
    terms = Terms(
        horizon_bars=HORIZON, entry="next-open", by_session=intraday, skip_jumps=True, band=0.0, borrow=0.0,
        schedule=(CostRates(since=date.min),), slippage=0.0, order_value=1.0, impact=0.0, capital=1.0,
    )  # fmt: skip
    decisions = Decisions(np.ones(count), predictions.label_end)
    every = keep_book(predictions, {"BTC": series}, decisions, terms)
    held = np.arange(chosen[0] + 1, chosen[-1] + 2)
    out = np.minimum(held + 1, len(series) - 1)
    goes_on = (out > held) & ((series.session[out] == series.session[held]) | (not intraday))
    leaves = np.where(goes_on, series.open[out], series.close[held])
    by_bar = np.where(np.isin(held - 1, chosen), leaves / series.open[held] - 1.0, 0.0)
    assert every.gross.sum() == pytest.approx(by_bar.sum())

    # The year: 252 sessions of NSE, 365 days at 24/7, 52 weeks.
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), devices=(), plan=(), versions={},
        config=RunConfig(source="csv:bars", interval=interval, calendar=calendar, horizon=HORIZON,
                         start_date=window.start, end_date=window.end),
        bars=CoverageTable(symbols={"BTC": coverage}),
    )  # fmt: skip
    year = {"24/7": 365, "NSE": 252}[calendar] if interval != "1week" else 52
    assert manifest.periods_per_year == year
    mean, deviation = np.mean(every.daily), np.std(every.daily, ddof=1)
    found = results(every, predictions, decisions, terms, year, every.daily)
    assert found.sharpe == pytest.approx(mean / deviation * math.sqrt(year))
