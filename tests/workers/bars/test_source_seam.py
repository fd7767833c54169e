"""The seam for bar sources: a kind is one row of `SOURCES` and one class; no other code knows its name."""

import importlib
import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from orchestrator.bars.coverage import commit, staging, table_of
from orchestrator.planning.days import days_to_fetch
from orchestrator.runs.ingest_session import look
from orchestrator.terminal.console import Console
from schemas.config.bars import IngestConfig
from schemas.config.run import RunConfig
from schemas.config.sources import SOURCES, SourceKind, default_dates, register_source, split_source
from schemas.contract.errors import RequestError
from schemas.contract.quality import Verdict
from schemas.contract.requests import PreflightRequest
from schemas.files.layout import BarsLayout
from workers.bars import store
from workers.bars.calendar import day_number
from workers.bars.files.folder import Folder
from workers.bars.ingestion import ingest
from workers.bars.raw_bars import RawBars
from workers.bars.series import COLUMNS
from workers.bars.sources.source_protocol import Source, SourceRequest
from workers.inspection.preflight import inspect

FIRST, LAST = date(2024, 1, 1), date(2024, 3, 29)
SPAN = (date(2024, 1, 1), date(2025, 1, 1))


class Toy(Source):
    """A vendor of daily bars of one symbol; it is asked once for each span."""

    opened: list[SourceRequest]
    checked: list[tuple[str, ...]]

    def __init__(self, request: SourceRequest) -> None:
        self.opened.append(request)
        self.timezone = request.timezone
        self._request = request

    def symbols(self) -> list[str]:
        return ["TOY"]

    def check(self, symbols: Iterable[str]) -> None:
        self.checked.append(tuple(symbols))

    def read(self, symbol: str) -> RawBars:
        days: list[int] = []
        for first, last in self._request.spans:
            self._request.acquire()
            every = (first + timedelta(days=i) for i in range((last - first).days + 1))
            days += [day_number(day) for day in every if day.weekday() < 5]
        close = 100.0 + np.sin(np.array(days, dtype=np.float64))
        values = dict(zip(COLUMNS, (close, close + 1, close - 1, close, close * 10), strict=True))
        return RawBars(np.array(days, dtype=np.int64) * 86_400 * 10**6, values, lambda row: f"toy row {row + 1}")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Toy]]:
    """The toy, registered for one test."""
    monkeypatch.setattr(Toy, "opened", [], raising=False)
    monkeypatch.setattr(Toy, "checked", [], raising=False)
    register_source(SourceKind("toy", f"{__name__}:Toy", is_remote=True, needs_dates=True, calendar="none", span=SPAN))
    yield Toy
    del SOURCES["toy"]


def test_a_registered_source_is_ingested_like_a_built_in_one(toy: type[Toy], tmp_path: Path) -> None:
    """Settings, preflight, ingestion and store take a new kind by its capabilities alone."""
    config = IngestConfig(source="toy", symbols=("TOY",), timezone="UTC", start_date=FIRST, end_date=LAST)
    settings = config.bars(FIRST, LAST)
    assert (settings.source, settings.calendar) == ("toy", "none")
    report = inspect(PreflightRequest(devices=None, bars=settings, symbols=("TOY",), read=False, data_dir="data"))
    assert (report.error, report.symbols, toy.checked) == (None, ("TOY",), [("TOY",)])

    turns: list[int] = []
    bars = BarsLayout.under(tmp_path, "1day")
    with staging(bars, "night"):
        ingested = ingest(settings, "TOY", str(tmp_path), "night", lambda: turns.append(1))
        commit(bars, table_of(settings, {"TOY": ingested}), "night")
    assert (toy.opened[-1].spans, toy.opened[-1].chunk_folder) == ([(FIRST, LAST)], bars.fetched("TOY"))
    assert turns == [1]
    stored = store.read(bars.bars("TOY"))
    assert stored is not None and len(stored[0]) == 65
    assert ingested.stored is not None
    assert (ingested.stored.source, ingested.stored.verdict) == ("toy", Verdict.OK)


def test_capabilities_decide_what_a_request_must_hold(toy: type[Toy], tmp_path: Path) -> None:
    """needs_dates wants a first day, is_remote wants named symbols and no dry look, has_folder a folder."""
    settings = IngestConfig(source="toy", timezone="UTC").bars(FIRST, LAST)
    unnamed = PreflightRequest(devices=None, bars=settings, symbols=(), read=False, data_dir="data")
    assert "--symbols" in str(inspect(unnamed).error)
    assert "toy" in str(inspect(unnamed.model_copy(update={"symbols": ("TOY",), "read": True})).error)
    with pytest.raises(RequestError, match="--start-date is missing"):
        look(IngestConfig(source="toy", symbols=("TOY",), timezone="UTC"), Console())
    with pytest.raises(ValueError, match="'toy:DIR' is not one of"):
        split_source("toy:DIR")
    with pytest.raises(ValueError, match="second_source"):
        IngestConfig(second_source="toy")
    run = RunConfig.model_validate({"source": "toy", "symbols": ("TOY",)} | default_dates("toy"))
    assert (run.start_date, run.end_date) == SPAN
    first, last = days_to_fetch(run, date(2024, 6, 1))
    assert first is not None and first < run.start_date and last == date(2024, 5, 31)


def test_an_adjusted_source_refuses_corporate_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splits are taken out of prices once: by the source, or by a file of actions."""
    monkeypatch.setitem(SOURCES, "even", SourceKind("even", "nowhere:Nothing", is_adjusted=True))
    with pytest.raises(ValueError, match="bars of even are adjusted already"):
        IngestConfig(source="even", corporate_actions="actions.csv")
    assert IngestConfig(source="breeze", corporate_actions="actions.csv").corporate_actions


def test_a_name_is_registered_once() -> None:
    """A second kind of the same name is an error."""
    with pytest.raises(ValueError, match="'csv' is registered already"):
        register_source(SourceKind("csv", "elsewhere:Csv"))


@pytest.mark.parametrize("name", list(SOURCES))
def test_each_kind_has_a_reader(name: str) -> None:
    """Every row names a Source; a kind that a Folder reads has a folder."""
    module, _, reader = SOURCES[name].reader.partition(":")
    found = getattr(importlib.import_module(module), reader)
    assert issubclass(found, Source)
    assert SOURCES[name].has_folder or not issubclass(found, Folder)


def test_no_code_compares_the_name_of_a_kind() -> None:
    """Behaviour follows from capabilities: outside the table no code has a kind's name beside `==`, `is` or `in`."""
    names = "|".join(SOURCES)
    test = re.compile(rf"(==|!=|\bin\b)[^\n]*[\"']({names})[\"']|[\"']({names})[\"'] *(==|!=|\bin\b)")
    root = Path(__file__).parents[3]
    for plane in ("orchestrator", "workers", "schemas"):
        for path in (root / plane).rglob("*.py"):
            found = [line for line in path.read_text().splitlines() if test.search(line)]
            assert not found, f"{path}: {found}"
