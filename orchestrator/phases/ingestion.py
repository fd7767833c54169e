"""Phase data_ingestion: workers read, judge and store each symbol's bars; then `coverage.json` lists what is stored."""

from pathlib import Path

from orchestrator.bars.coverage import commit, refuse_failures, rejection, staging, stored_table, table_of
from orchestrator.bars.sentences import left_out
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.work import Item
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.phases.phase_context import RunContext
from orchestrator.planning.days import days_asked_for
from schemas.config.bars import BarsSettings
from schemas.contract.base import Frozen
from schemas.contract.coverage import CoverageTable
from schemas.contract.folders import paths_read
from schemas.contract.quality import Check, Finding, Verdict
from schemas.contract.reason_words import words_for
from schemas.contract.run import Phase
from schemas.contract.task import Ingested, IngestTask, Outcome, Role
from schemas.contract.window import SkipReason
from schemas.files.layout import BarsLayout
from schemas.store.mirror import Mirror


class Ingestion(Frozen):
    """What an ingestion is to store, for which run, and where; `scratch` is what its preflight has read.

    `store`: URL of the store that bars are published in, too; None without one.
    """

    run_id: str
    data_dir: str
    telemetry: bool
    bars: BarsSettings
    symbols: tuple[str, ...]
    store: str | None = None
    scratch: Path | None = None


def run(context: RunContext) -> CoverageTable:
    """Store every symbol of the run; PhaseError if too many could not be read, or none may reach a model."""
    config = context.manifest.config
    wanted = Ingestion(
        run_id=context.run_id,
        data_dir=config.data_dir,
        telemetry=config.telemetry,
        bars=config.bars(*days_asked_for(config)),
        symbols=config.symbols,
        store=config.store,
        scratch=context.scratch,
    )
    with context.phase(Phase.DATA_INGESTION, total=len(wanted.symbols)):
        table = store(wanted, context.dispatcher, context.ledger, context.telemetry)
        for sentence in left_out(table):
            context.live_view.note(sentence)
        refuse_failures(table, config.max_failure_rate)
        return table


def store(wanted: Ingestion, dispatcher: Dispatcher, ledger: Ledger, telemetry: Emitter) -> CoverageTable:
    """Have workers store every symbol, and write the result of each to `coverage.json` and `coverage.html`."""
    ends: dict[str, Outcome] = {}

    def on_end(outcome: Outcome) -> tuple[()]:
        ends[outcome.name] = outcome
        telemetry.progress(Phase.DATA_INGESTION, ends.values())
        return ()

    bars = BarsLayout.under(wanted.data_dir, wanted.bars.interval)
    stored_table(bars)  # a damaged table is reported before the work, not after it
    ledger.add(Role.INGEST, wanted.symbols)
    ledger.reopen(Role.INGEST, wanted.symbols)
    with staging(bars, wanted.run_id, wanted.scratch):
        work = [Item(_task(wanted, symbol)) for symbol in wanted.symbols]
        dispatcher.run(work, on_end, paths_read(wanted.bars))
        table = table_of(wanted.bars, {symbol: _ingested(wanted.bars, ends[symbol]) for symbol in wanted.symbols})
        commit(bars, table, wanted.run_id, Mirror.of(wanted.data_dir, wanted.store))
    return table


def _task(wanted: Ingestion, symbol: str) -> IngestTask:
    return IngestTask(
        run_id=wanted.run_id,
        telemetry=wanted.telemetry,
        symbol=symbol,
        settings=wanted.bars,
    )


def _ingested(bars: BarsSettings, outcome: Outcome) -> Ingested:
    """The worker's result, or a rejection with the reason why there is none."""
    if outcome.ingested is not None:
        return outcome.ingested
    finding = Finding(
        check=Check.UNREADABLE,
        verdict=Verdict.REJECT,
        count=1,
        where=bars.source,
        detail=f"failed ({words_for(outcome.failure)}): {outcome.message}",
    )
    return Ingested(rejected=rejection(bars, outcome.name, SkipReason.INGEST_FAILED, (finding,)))
