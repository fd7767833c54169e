"""Sentences about bars in the terminal: each rejection once, few names per line, and days that are in doubt."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest

from orchestrator.bars.coverage import refuse_failures, table_of
from orchestrator.bars.sentences import calendar_doubts, left_out
from orchestrator.runs.summary import notes_of, show
from orchestrator.terminal.console import Console
from schemas.config.bars import BarsConfig
from schemas.contract.coverage import CoverageTable, Rejection
from schemas.contract.errors import FinalError
from schemas.contract.quality import Check, Finding, Verdict
from schemas.contract.task import Ingested
from schemas.contract.window import SkipReason
from tests.known import coverage_of
from tests.strategies import walk_on
from tests.workers.bars.walks import MICROSECONDS_PER_MINUTE, calm, daily
from workers.bars import quality
from workers.bars.calendar import open_calendar
from workers.bars.raw_bars import CleanBars
from workers.bars.series import Series
from workers.bars.session_coverage import odd_days

NSE = open_calendar("NSE")
SETTINGS = BarsConfig(source="csv:bars").bars(None, None)
CELL = "close is 'x', not a number; " + "; ".join(f"A.csv line {line}: volume is ''" for line in range(9))


def rejected(symbol: str, detail: str = CELL) -> Rejection:
    """A symbol that a bad cell rejects."""
    finding = Finding(
        check=Check.BAD_CELL, verdict=Verdict.REJECT, count=10, where=f"{symbol}.csv line 3", detail=detail
    )
    return Rejection(
        symbol=symbol, interval="1day", source="csv:bars", fetched=datetime.now(UTC),
        reason=SkipReason.REJECTED_DATA, findings=(finding,),
    )  # fmt: skip


def table_of_rejected(*rows: Rejection) -> CoverageTable:
    return CoverageTable(rejected={row.symbol: row for row in rows})


def ingested(symbol: str, series: Series) -> Ingested:
    """A symbol's daily bars as a worker judges them by NSE's calendar."""
    found = quality.check(
        CleanBars(series, lambda row: f"{symbol}.csv line {row + 2}", []), symbol=symbol, interval="1day", calendar=NSE,
        actions=(),
    ).findings  # fmt: skip
    days = [date(1970, 1, 1) + timedelta(days=int(day)) for day in series.session]
    verdict = Verdict.WARN if found else Verdict.OK
    return Ingested(
        stored=coverage_of(symbol, days, findings=tuple(found), verdict=verdict),
        odd_days=odd_days(series, NSE), months={"2023-01": symbol},
    )  # fmt: skip


def test_the_error_after_the_findings_does_not_repeat_them() -> None:
    """The findings are printed above it: it names the first symbol, its check and its place."""
    table = table_of_rejected(rejected("BAD"), rejected("WORSE"))
    with pytest.raises(FinalError) as caught:
        refuse_failures(table, 0.15)
    assert str(caught.value) == "none of 2 symbols may reach a model; first BAD: bad cell at BAD.csv line 3"


def test_symbols_that_are_left_out_are_named_once_and_few_of_them() -> None:
    """One sentence per finding with five of its symbols, five sentences, then how many more there are."""
    same = [rejected(f"A{n}", "file.csv line 1: no column").model_copy() for n in range(8)]
    shared = [
        row.model_copy(update={"findings": (row.findings[0].model_copy(update={"where": "file.csv line 1"}),)})
        for row in same
    ]
    (one, *_) = left_out(table_of_rejected(*shared))
    assert one.startswith("A0, A1, A2, A3, A4 and 3 more are left out: bad cell: file.csv line 1: no column")
    many = left_out(table_of_rejected(*(rejected(f"B{n}") for n in range(7))))
    assert len(many) == 6 and many[-1] == "and 2 more are left out; `ingest --validate-only` names all"
    assert many[0].startswith("B0 is left out: bad cell: B0.csv line 3: close is 'x'")
    assert left_out(CoverageTable()) == []


def test_a_sentence_fits_into_a_terminal() -> None:
    """Long rejections are wrapped at words: no line is longer than the 80 columns of the terminal."""
    stream = StringIO()
    console = Console()
    console.file, console.width, console._force_terminal = stream, 80, True
    for sentence in left_out(table_of_rejected(rejected("A"))):
        console.write(sentence)
    lines = stream.getvalue().splitlines()
    assert len(lines) > 3 and max(map(len, lines)) <= 80


def test_a_sentence_is_one_line_in_a_pipe() -> None:
    """Programs read lines: a sentence that is longer than a terminal's 80 columns is not broken."""
    sentences = left_out(table_of_rejected(rejected("A"), rejected("B")))
    stream = StringIO()
    console = Console()
    console.file, console.width = stream, 80
    for sentence in sentences:
        console.write(sentence)
    assert stream.getvalue().splitlines() == sentences and max(map(len, sentences)) > 80


def phantom_of(series: Series, day: int) -> Series:
    """The bars with one that has the close before as every price, and no volume."""
    columns = {name: values.copy() for name, values in vars(series).items()}
    for name in ("open", "high", "low", "close"):
        columns[name][day] = series.close[day - 1]
    columns["volume"][day] = 0
    return Series(**columns)


def test_a_phantom_bar_and_the_wrong_calendar_are_in_the_summary_of_the_run() -> None:
    """From bars through the gate and the table to the lines that the terminal shows at the end of a run."""
    real = {name: daily(date(2023, 1, 2), date(2023, 6, 30), seed) for seed, name in enumerate(("TCS", "INFY", "SBIN"))}
    table = table_of(SETTINGS, {name: ingested(name, phantom_of(series, 50)) for name, series in real.items()})
    (phantom,) = calendar_doubts(table)
    assert phantom.startswith("bars: most symbols: phantom bar: 2023-")
    days = np.arange(19358, 19358 + 400)
    walks = {name: calm(walk_on(days, seed), 0.05) for seed, name in enumerate(("BTC", "ETH", "SOL"))}
    midnight = days * 1440 * MICROSECONDS_PER_MINUTE
    table = table_of(
        SETTINGS, {name: ingested(name, replace(each, timestamp=midnight)) for name, each in walks.items()}
    )
    assert {row.verdict for row in table.symbols.values()} == {Verdict.WARN}
    (wrong,) = calendar_doubts(table)
    assert (
        wrong.startswith("bars: BTC, ETH, SOL: unexpected session: 2023-01-01: 130 of 400")
        and "give --calendar 24/7" in wrong
    )
    stream = StringIO()
    console = Console()
    console.file = stream
    summary: dict[str, Any] = {
        "run_id": "r", "status": "ready", "phases": {}, "windows": {}, "bars": None, "unexplained_jumps": None,
        "calendar_doubts": [phantom, wrong], "conclusion": None, "skip_reasons": {}, "judgement_from": None,
        "recommendation": None, "paths": {},
        "duration_seconds": None,
    }  # fmt: skip
    show(console, summary, notes_of(summary, {}, ()))
    assert phantom in stream.getvalue() and wrong in stream.getvalue()
    assert calendar_doubts(table_of(SETTINGS, {name: ingested(name, series) for name, series in real.items()})) == []
