"""Phase data_ingestion: workers read and store each symbol's bars; then `coverage.json` says what is stored."""

import fcntl
from pathlib import Path

from orchestrator.backlog import Item
from orchestrator.context import RunContext
from schemas.coverage import CoverageTable
from schemas.errors import PhaseError
from schemas.events import Phase
from schemas.layout import BarsLayout, remove_temporary
from schemas.messages import IngestTask, Outcome, Role, Status
from schemas.rows import read_model, write_model


def run(context: RunContext) -> None:
    """Store every symbol of the manifest; PhaseError names the first that could not be."""
    manifest, config = context.manifest, context.manifest.config
    wanted = {row.symbol: row for row in manifest.coverage}
    with context.phase(Phase.DATA_INGESTION, total=len(wanted)):
        ends: list[Outcome] = []

        def on_end(outcome: Outcome) -> tuple[()]:
            ends.append(outcome)
            context.progress.advance(Phase.DATA_INGESTION, failed=outcome.status is Status.FAILED)
            return ()

        context.ledger.add(Role.INGEST, wanted)
        context.ledger.reopen(Role.INGEST, wanted)
        tasks = [
            Item(
                IngestTask(
                    run_id=manifest.run_id,
                    data_dir=context.data_dir,
                    telemetry=config.telemetry,
                    symbol=symbol,
                    source=absolute_source(config.source),
                    interval=config.interval,
                    timezone=config.timezone,
                    sha256=row.sha256,
                ),
                size=row.bars,
            )
            for symbol, row in wanted.items()
        ]
        context.dispatcher.run(tasks, on_end)
        failed = sorted(
            f"{outcome.name}: {outcome.message}" for outcome in ends if outcome.status is not Status.SUCCESS
        )
        if failed:
            raise PhaseError(f"{len(failed)} of {len(wanted)} symbols could not be stored; {failed[0]}")
        bars = BarsLayout.under(config.data_dir, config.interval)
        remove_temporary(bars.folder)
        merge_coverage(bars, CoverageTable(symbols=wanted))


def absolute_source(source: str) -> str:
    """`csv:bars` as `csv:/where/it/is/bars`: workers may run in another folder."""
    kind, _, folder = source.partition(":")
    return f"{kind}:{Path(folder).absolute()}" if folder else source


def merge_coverage(bars: BarsLayout, new: CoverageTable) -> None:
    """Add rows to `coverage.json`; runs that end at one moment take turns."""
    with (bars.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = read_model(bars.coverage, CoverageTable).symbols if bars.coverage.is_file() else {}
        write_model(bars.coverage, CoverageTable(symbols=dict(sorted((old | new.symbols).items()))))
