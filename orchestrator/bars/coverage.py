"""Builds the table of all symbols' bars, stores it in `coverage.json` and shows it in `coverage.html`."""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from orchestrator.audit.templates import page
from orchestrator.bars.common_days import by_most
from orchestrator.bars.duplicate_series import same_series
from schemas.config.bars import BarsSettings
from schemas.contract.coverage import Coverage, CoverageTable, Rejection
from schemas.contract.errors import FinalError, PhaseError
from schemas.contract.quality import Finding, Verdict
from schemas.contract.task import Ingested
from schemas.contract.window import SkipReason
from schemas.files.atomic import to_json, write_atomic
from schemas.files.layout import SCRATCH, STAGED_PREFIX, BarsLayout
from schemas.files.locks import lock
from schemas.files.run_files import model_of, read_model, write_model
from schemas.store.mirror import Mirror

# Named instead of symbols by findings about the exchange's days.
MOST = "most symbols"
REINGEST = "remove it, then ingest its symbols again"
UNREAD = (SkipReason.INGEST_FAILED, SkipReason.NO_DATA, SkipReason.MISSING_MAPPING)


def table_of(bars: BarsSettings, ingested: Mapping[str, Ingested]) -> CoverageTable:
    """The coverage of each symbol; symbols that have the same bars under two names are rejected."""
    duplicates = same_series({symbol: each.months for symbol, each in ingested.items() if each.stored})
    stored = {
        symbol: each.stored for symbol, each in ingested.items() if each.stored is not None and symbol not in duplicates
    }
    days = {symbol: each.odd_days for symbol, each in ingested.items() if symbol in stored}
    stored, notes = by_most(bars.calendar, stored, days)
    rejected = {symbol: each.rejected for symbol, each in ingested.items() if each.rejected is not None}
    for symbol, finding in duplicates.items():
        known = ingested[symbol].stored
        assert known is not None
        rejected[symbol] = rejection(bars, symbol, SkipReason.REJECTED_DATA, (finding, *known.findings))
    return CoverageTable(symbols=dict(sorted(stored.items())), rejected=dict(sorted(rejected.items())), notes=notes)


def refuse_failures(table: CoverageTable, max_failure_rate: float) -> None:
    """Raise PhaseError if too many symbols could not be read, or none was stored."""
    failed = [row for row in table.rejected.values() if row.reason is SkipReason.INGEST_FAILED]
    total = len(table.symbols) + len(table.rejected)
    if failed and len(failed) / total > max_failure_rate:
        raise PhaseError(
            f"{len(failed)} of {total} symbols failed, more than --max-failure-rate {max_failure_rate:g} allows;"
            f" first {failed[0].place}"
        )
    if not table.symbols:
        first = next(iter(table.rejected.values()))
        kind = PhaseError if failed else FinalError
        raise kind(f"none of {total} symbols may reach a model; first {first.place}")


def rejection(bars: BarsSettings, symbol: str, reason: SkipReason, findings: Sequence[Finding]) -> Rejection:
    """Record of a symbol whose bars no model may use: the reason and the findings behind it."""
    return Rejection(
        symbol=symbol,
        interval=bars.interval,
        source=bars.source,
        fetched=datetime.now(UTC),
        reason=reason,
        findings=tuple(findings),
    )


def stored_table(bars: BarsLayout) -> CoverageTable:
    """The stored coverage table, empty where none is stored; FileError if it is damaged."""
    if not bars.coverage.is_file():
        return CoverageTable()
    return read_model(bars.coverage, CoverageTable, remedy=REINGEST)


@contextmanager
def staging(bars: BarsLayout, run_id: str, scratch: Path | None = None) -> Iterator[None]:
    """Provide a folder for bars that are not judged yet, and remove it at the end with those of killed ingestions.

    `scratch`, what a preflight has read of the source, is moved there, so that no file of many symbols is read again.
    """
    folder = bars.staged(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        shutil.rmtree(folder / SCRATCH, ignore_errors=True)  # of the same run before it was resumed
        if scratch is not None and scratch.is_dir():
            shutil.move(scratch, folder / SCRATCH)
        for other in bars.folder.glob(f"{STAGED_PREFIX}*"):
            with suppress(BlockingIOError), _locked(other) as is_locked:
                if other != folder and is_locked:
                    shutil.rmtree(other, ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether the folder's lock was taken, which ends with this process; BlockingIOError if another holds it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield lock(handle, wait=False)
    finally:
        os.close(handle)


def commit(bars: BarsLayout, new: CoverageTable, run_id: str, mirror: Mirror | None = None) -> None:
    """Move judged bars into the store and write `coverage.json` and its page, under a lock: one ingestion at a time.

    With a mirror, hosts take turns by a conditional write of `coverage.json`, and the bars are published by digest.
    """
    with (bars.folder / ".lock").open("w") as file:
        lock(file)
        for symbol in new.symbols:
            (bars.staged(run_id) / f"{symbol}.parquet").replace(bars.bars(symbol))
        table = merged(stored_table(bars), new) if mirror is None else publish_table(mirror, bars, new)
        write_model(bars.coverage, table)
        write_atomic(bars.report, page("coverage.html", _facts(bars.folder.name, table)))
    failed = {name for name, row in new.rejected.items() if row.reason is SkipReason.INGEST_FAILED}
    for symbol in (new.symbols.keys() | new.rejected.keys()) - failed:
        # The fetched replies were judged; the next ingestion asks the vendor again.
        shutil.rmtree(bars.fetched(symbol), ignore_errors=True)


def merged(old: CoverageTable, new: CoverageTable) -> CoverageTable:
    """The rows of `new`, and of `old` those of other symbols, and of symbols that could not be read this time."""
    # Symbols that could not be read have not changed: their stored bars are kept.
    unread = {name for name, row in new.rejected.items() if row.reason in UNREAD and name in old.symbols}
    rejected = {name: row for name, row in new.rejected.items() if name not in unread}
    known = new.symbols.keys() | rejected.keys()
    rows = {name: row for name, row in old.symbols.items() if name not in known} | new.symbols
    rejected |= {name: row for name, row in old.rejected.items() if name not in known}
    symbols, rejected = dict(sorted(rows.items())), dict(sorted(rejected.items()))
    return CoverageTable(symbols=symbols, rejected=rejected, notes=new.notes)


def publish_table(mirror: Mirror, bars: BarsLayout, new: CoverageTable) -> CoverageTable:
    """Merge `new` into the table that the store has now, and publish it; again if another host was faster."""
    while True:
        before = mirror.store.get(mirror.key(bars.coverage))
        # A folder that had bars before it had a store brings them along.
        source = f"{mirror.store.url}/{mirror.key(bars.coverage)}"
        old = stored_table(bars) if before is None else model_of(before, CoverageTable, source, remedy=REINGEST)
        table = merged(old, new)
        for symbol, row in table.symbols.items() if before is None else new.symbols.items():
            mirror.push_bars(bars, bars.bars(symbol), row.sha256)
        content = to_json(table.model_dump(mode="json")).encode()
        if mirror.store.replace(mirror.key(bars.coverage), content, before):
            return table


def fetch_table(mirror: Mirror, bars: BarsLayout, symbols: Iterable[str]) -> None:
    """Bring the store's `coverage.json` here, and the bars of `symbols`, or of all if there are none of these."""
    content = mirror.store.get(mirror.key(bars.coverage))
    if content is None:
        return
    write_atomic(bars.coverage, content)
    rows = stored_table(bars).symbols
    for symbol in set(symbols) & rows.keys() or rows.keys():
        mirror.pull_bars(bars, bars.bars(symbol), rows[symbol].sha256)


def findings_of(table: CoverageTable) -> list[tuple[Finding, list[str]]]:
    """List each finding once, the most severe first, with the symbols that have it."""
    symbols: dict[Finding, list[str]] = {note: [MOST] for note in table.notes}
    rows: list[Coverage | Rejection] = [*table.rejected.values(), *table.symbols.values()]
    for row in rows:
        for finding in row.findings:
            symbols.setdefault(finding, []).append(row.symbol)
    ranks = list(Verdict)
    return sorted(symbols.items(), key=lambda pair: -ranks.index(pair[0].verdict))


def verdicts_of(table: CoverageTable) -> dict[str, int]:
    """Count symbols by verdict."""
    stored = [row.verdict for row in table.symbols.values()]
    return {verdict.value: stored.count(verdict) for verdict in Verdict} | {"reject": len(table.rejected)}


def _facts(interval: str, table: CoverageTable) -> dict[str, Any]:
    rows = table.symbols.values()
    begin = min((row.first for row in rows), default=date.min)
    end = max((row.last for row in rows), default=date.min)
    return {
        "interval": interval,
        "table": table,
        "counts": verdicts_of(table),
        "findings": findings_of(table),
        "begin": begin,
        "end": end,
        "days": (end - begin).days + 1,
    }
