"""Ingestion: stored bars do not depend on the steps that led to them, and a rejection keeps the old bars."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.bars.coverage import commit, staging, table_of
from schemas.config.bars import BarsSettings, IngestConfig
from schemas.config.file_options import FileOptions
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import Coverage
from schemas.contract.quality import Check, Verdict
from schemas.contract.requests import PreflightRequest
from schemas.contract.task import Ingested
from schemas.contract.window import PlannedWindow, SkipReason, Window
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.run_files import write_model
from tests.strategies import examples
from workers.bars import store
from workers.bars.calendar import day_of, open_calendar
from workers.bars.files.listing import list_files
from workers.bars.ingestion import assess, calendar_of, ingest, spans_to_fetch
from workers.bars.series import COLUMNS, Series
from workers.inspection.preflight import inspect

FIRST, LAST = date(2023, 1, 2), date(2023, 12, 29)
DAYS = [day_of(day) for day in open_calendar("NSE").sessions(FIRST, LAST)]
BARS = len(DAYS)
HEADER = "timestamp,open,high,low,close,volume"
SPLIT_DAY = DAYS[120]


def lines(split: bool = False, seed: int = 3) -> list[str]:
    """One line per session of a random walk; with `split`, prices fall to a fifth on SPLIT_DAY and volumes rise."""
    rng = np.random.default_rng(seed)
    close = np.round(500 * np.exp(np.cumsum(rng.normal(0, 0.015, BARS))), 2)
    found = []
    for day, price in zip(DAYS, close, strict=True):
        part = 5 if split and day >= SPLIT_DAY else 1
        o, h, lo, c = (round(price * x / part, 2) for x in (1.001, 1.01, 0.99, 1.0))
        found.append(f"{day},{o},{h},{lo},{c},{1000 * part}")
    return found


def source(folder: Path, rows: Sequence[str], name: str = "TCS.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


def settings(folder: Path, **changes: object) -> BarsSettings:
    config = IngestConfig(source=f"csv:{folder}")
    return config.bars(None, None).model_copy(update=changes)


def take(folder: Path, data: Path, **changes: object) -> Ingested:
    """Ingest only TCS, with the worker's and the orchestrator's part."""
    asked, bars = settings(folder, **changes), BarsLayout.under(data, "1day")
    with staging(bars, "night"):
        ingested = ingest(asked, "TCS", str(data), "night", lambda: None)
        commit(bars, table_of(asked, {"TCS": ingested}), "night")
    return ingested


def stored(data: Path) -> bytes:
    return BarsLayout.under(data, "1day").bars("TCS").read_bytes()


def series(data: Path) -> Series:
    found = store.read(BarsLayout.under(data, "1day").bars("TCS"))
    assert found is not None
    return found[0]


def coverage(ingested: Ingested) -> Coverage:
    assert ingested.stored is not None, ingested.rejected
    return ingested.stored


def test_good_bars_are_stored_without_findings(tmp_path: Path) -> None:
    """Complete bars have the verdict ok, and their row has the number of bars and the first and last day."""
    row = coverage(take(source(tmp_path / "bars", lines()), tmp_path))
    assert (row.verdict, row.findings, row.gaps) == (Verdict.OK, (), ())
    assert (row.bars, row.sessions, row.sessions_expected, row.first, row.last) == (BARS, BARS, BARS, FIRST, LAST)


@examples(25)
@given(cut=st.integers(1, BARS - 1), holes=st.sets(st.integers(0, BARS - 1), max_size=30))
def test_increments_leave_what_one_ingestion_does(
    tmp_path_factory: pytest.TempPathFactory, cut: int, holes: set[int]
) -> None:
    """Any part of a source, completed later by an increment, gives the bytes of a single ingestion."""
    folder = tmp_path_factory.mktemp("bars", numbered=True)
    whole = source(folder / "whole", lines())
    some = [line for number, line in enumerate(lines()[:cut]) if number not in holes] or lines()[:1]
    take(source(folder / "some", some), folder / "stepwise", calendar="none")
    row = coverage(take(whole, folder / "stepwise", incremental=True))
    assert row.verdict is Verdict.OK
    take(whole, folder / "at once")
    assert stored(folder / "stepwise") == stored(folder / "at once")


def test_an_increment_keeps_what_the_source_has_no_more(tmp_path: Path) -> None:
    """An increment of last week's files adds that week; older bars stay."""
    take(source(tmp_path / "old", lines()[:-5]), tmp_path / "data")
    take(source(tmp_path / "new", lines()[-5:]), tmp_path / "data", incremental=True)
    take(source(tmp_path / "whole", lines()), tmp_path / "at once")
    assert stored(tmp_path / "data") == stored(tmp_path / "at once")


def test_a_hole_is_filled_where_it_is(tmp_path: Path) -> None:
    """An increment of the missing days fills the gap in order."""
    take(source(tmp_path / "old", lines()[:50] + lines()[60:]), tmp_path / "data")
    take(source(tmp_path / "new", lines()[50:60]), tmp_path / "data", incremental=True)
    take(source(tmp_path / "whole", lines()), tmp_path / "at once")
    assert stored(tmp_path / "data") == stored(tmp_path / "at once")


def test_without_incremental_the_source_is_all_there_is(tmp_path: Path) -> None:
    """A plain ingestion replaces what is stored."""
    take(source(tmp_path / "old", lines()), tmp_path / "data")
    assert coverage(take(source(tmp_path / "new", lines()[-50:]), tmp_path / "data")).bars == 50


def a_run(data: Path, *windows: Window) -> None:
    config = {"start_date": FIRST, "end_date": LAST, "source": "csv:bars", "symbols": ("TCS",)}
    manifest = RunManifest.model_validate(
        {"run_id": "night", "created": "2024-01-01T00:00:00Z", "config": config, "devices": (), "bars": None,
         "plan": [PlannedWindow(window=window) for window in windows], "versions": {}}
    )  # fmt: skip
    layout = RunLayout.under(data, "night")
    layout.folder.mkdir(parents=True)
    write_model(layout.manifest, manifest)


def test_a_changed_past_bar_is_named_with_the_windows_it_affects(tmp_path: Path) -> None:
    """A vendor's correction is stored and reported: the bar, both values, and the affected windows."""
    data = tmp_path / "data"
    take(source(tmp_path / "old", lines()), data)
    day = DAYS[100]
    early = Window(symbol="TCS", start=FIRST, end=day - timedelta(days=30), score_end=day)
    late = Window(symbol="TCS", start=FIRST, end=day, score_end=day + timedelta(days=30))
    other = late.model_copy(update={"symbol": "INFY"})
    pooled = other.model_copy(update={"end": day + timedelta(days=1)})
    a_run(data, early, late, other, pooled)
    rows = lines()
    cells = rows[100].split(",")
    rows[100] = ",".join([*cells[:4], str(float(cells[4]) + 0.5), cells[5]])
    row = coverage(take(source(tmp_path / "new", rows), data, incremental=True))
    (finding,) = row.findings
    assert (finding.check, finding.verdict, finding.count, finding.where) == (
        Check.CHANGED_BAR,
        Verdict.WARN,
        1,
        str(day),
    )
    assert f"close from {cells[4]} to {float(cells[4]) + 0.5:g}" in finding.detail
    assert f"2 windows of stored runs are affected (night: {late.label}, {pooled.label})" in finding.detail
    assert series(data).close[100] == float(cells[4]) + 0.5


def actions_file(folder: Path, *rows: str) -> str:
    path = folder / "actions.csv"
    path.write_text("\n".join(["symbol,ex_date,action,ratio", *rows]) + "\n")
    return str(path)


def test_an_unrecorded_split_is_found_and_a_recorded_one_is_adjusted(tmp_path: Path) -> None:
    """The finding has the line that fixes the gap; with it, prices are continuous and volumes comparable."""
    folder = source(tmp_path / "bars", lines(split=True))
    (finding,) = coverage(take(folder, tmp_path / "raw")).findings
    assert finding.check is Check.OVERNIGHT_GAP
    line = f"TCS,{SPLIT_DAY},split,5:1"
    assert line in finding.detail
    row = coverage(take(folder, tmp_path / "data", corporate_actions=actions_file(tmp_path, line)))
    assert (row.verdict, row.adjusted) == (Verdict.OK, True)
    take(source(tmp_path / "whole", lines()), tmp_path / "whole data")
    # A fifth of a price in paise is rounded to paise.
    np.testing.assert_allclose(series(tmp_path / "data").close * 5, series(tmp_path / "whole data").close, atol=0.05)
    assert set(series(tmp_path / "data").volume) == {5000.0}


@pytest.mark.parametrize("cut", [60, 180])
def test_actions_learnt_later_adjust_what_is_stored(cut: int, tmp_path: Path) -> None:
    """An increment with a new split gives the bytes of a single ingestion with that split."""
    whole = source(tmp_path / "bars", lines(split=True))
    known = actions_file(tmp_path, f"TCS,{SPLIT_DAY},split,5:1")
    take(source(tmp_path / "some", lines(split=True)[:cut]), tmp_path / "stepwise")
    row = coverage(take(whole, tmp_path / "stepwise", incremental=True, corporate_actions=known))
    assert row.verdict is Verdict.OK
    take(whole, tmp_path / "at once", corporate_actions=known)
    assert stored(tmp_path / "stepwise") == stored(tmp_path / "at once")
    unchanged = coverage(take(whole, tmp_path / "stepwise", incremental=True, corporate_actions=known))
    assert (unchanged.verdict, stored(tmp_path / "stepwise")) == (Verdict.OK, stored(tmp_path / "at once"))


def test_what_is_rejected_leaves_the_old_bars(tmp_path: Path) -> None:
    """A bad cell rejects the symbol by file and line; the stored file keeps every byte."""
    data = tmp_path / "data"
    take(source(tmp_path / "old", lines()), data)
    before = stored(data)
    rows = lines()
    rows[7] = rows[7].replace(rows[7].split(",")[4], "n/a", 1)
    folder = source(tmp_path / "new", rows)
    for incremental in (False, True):
        rejected = take(folder, data, incremental=incremental).rejected
        assert rejected is not None
        assert rejected.reason is SkipReason.REJECTED_DATA
        assert f"{folder / 'TCS.csv'} line 9" in " ".join(f.where + f.detail for f in rejected.findings)
        assert stored(data) == before


def test_looking_stores_nothing(tmp_path: Path) -> None:
    """`assess` gives the result of `ingest` and writes no file."""
    folder = source(tmp_path / "bars", lines())
    looked = assess(settings(folder), "TCS", str(tmp_path / "data"), lambda: None).ingested
    assert not (tmp_path / "data").exists()
    did = take(folder, tmp_path / "data")
    ignored = {"stored": {"fetched"}}
    assert looked.model_dump(exclude=ignored) == did.model_dump(exclude=ignored)


def test_days_can_be_chosen(tmp_path: Path) -> None:
    """Only bars of the requested days are stored; days without bars are no data."""
    folder = source(tmp_path / "bars", lines())
    row = coverage(take(folder, tmp_path, first=DAYS[10], last=DAYS[19]))
    assert (row.bars, row.first, row.last) == (10, DAYS[10], DAYS[19])
    rejected = take(folder, tmp_path, first=date(2030, 1, 1)).rejected
    assert rejected is not None and rejected.reason is SkipReason.NO_DATA


def test_a_second_source_is_compared(tmp_path: Path) -> None:
    """A second source that agrees gives no finding; one that lacks the symbol or disagrees does."""
    folder = source(tmp_path / "bars", lines())
    same = source(tmp_path / "same", lines())
    other = source(tmp_path / "other", lines(seed=4))
    lacking = source(tmp_path / "lacking", lines(), "INFY.csv")
    assert coverage(take(folder, tmp_path, second_source=f"csv:{same}")).findings == ()
    (finding,) = coverage(take(folder, tmp_path, second_source=f"csv:{lacking}")).findings
    assert (finding.check, finding.verdict) == (Check.SECOND_SOURCE, Verdict.WARN)
    rejected = take(folder, tmp_path, second_source=f"csv:{other}").rejected
    assert rejected is not None and rejected.findings[0].check is Check.SECOND_SOURCE


def test_a_second_source_has_options_of_its_own_and_is_listed_once(tmp_path: Path) -> None:
    """Its files may need other options than the source's; an ingestion reads their heads once for all symbols."""
    folder = source(tmp_path / "bars", lines())
    text = (folder / "TCS.csv").read_text()
    (tmp_path / "other").mkdir()
    for name in ("TCS", "INFY"):
        (tmp_path / "other" / f"{name}.csv").write_text(text.replace("close", "Schluss"))
    options = FileOptions(columns={"close": "Schluss"})
    wanted = settings(folder, second_source=f"csv:{tmp_path / 'other'}", second_options=options)
    with mock.patch("workers.bars.files.folder.list_files", side_effect=list_files) as listing:
        for symbol in ("TCS", "TCS"):
            found = assess(wanted, symbol, str(tmp_path / "data"), lambda: None, tmp_path / "scratch").ingested
            assert found.stored is not None and found.stored.findings == ()
    assert listing.call_count == 2, "of the source and of the second one"


@examples(60)
@given(have=st.sets(st.integers(0, BARS - 1)), first=st.integers(0, BARS - 1), length=st.integers(0, BARS))
def test_a_vendor_is_asked_for_what_is_missing_alone(have: set[int], first: int, length: int) -> None:
    """Spans cover every missing session, and of stored ones only the last, which may have changed."""
    last = min(first + length, BARS - 1)
    asked = settings(Path("bars"), source="breeze", first=DAYS[first], last=DAYS[last])
    session = np.array([(DAYS[i] - date(1970, 1, 1)).days for i in sorted(have)], dtype=np.int64)
    held = Series(session, session, *[session.astype(float) for _ in COLUMNS]) if have else None
    spans = spans_to_fetch(asked, held, calendar_of(asked))
    covered = {i for i in range(first, last + 1) for begin, end in spans if begin <= DAYS[i] <= end}
    assert covered == {i for i in range(first, last + 1) if i not in have or i == max(have)}
    assert all(begin <= end for begin, end in spans)


def test_what_a_preflight_has_read_is_not_read_again(tmp_path: Path) -> None:
    """Files of many symbols are split once: the ingestion stores them although preflight alone has seen the files."""
    rows = [f"{symbol},{row}" for symbol in ("INFY", "TCS") for row in lines()]
    folder = tmp_path / "bars"
    folder.mkdir()
    (folder / "all.csv").write_text("\n".join([f"symbol,{HEADER}", *rows]) + "\n")
    asked, data, scratch = settings(folder), tmp_path / "data", tmp_path / "scratch"
    bars = BarsLayout.under(data, "1day")
    request = PreflightRequest(
        devices=None, bars=asked, symbols=(), read=False, data_dir=str(data), scratch=str(scratch)
    )  # fmt: skip
    assert inspect(request).symbols == ("INFY", "TCS")
    (folder / "all.csv").unlink()
    with staging(bars, "night", scratch):
        assert not scratch.exists()
        ingested = {symbol: ingest(asked, symbol, str(data), "night", lambda: None) for symbol in ("INFY", "TCS")}
        commit(bars, table_of(asked, ingested), "night")
    assert [coverage(each).bars for each in ingested.values()] == [BARS, BARS]
    assert not bars.staged("night").exists()


def test_minutes_without_their_interval_are_a_wrong_interval_and_nothing_else(tmp_path: Path) -> None:
    """As a daily bar 13:30 at New York is midnight in India, the next day: such minutes only seem to go back."""
    times = [f"{day} {minute // 60:02}:{minute % 60:02}:00-05:00" for day in DAYS[:3] for minute in range(570, 960, 5)]
    rejected = take(source(tmp_path / "bars", [f"{time},10,11,9,10,5" for time in times]), tmp_path / "data").rejected
    assert rejected is not None
    assert [finding.check for finding in rejected.findings] == [Check.INTERVAL]
