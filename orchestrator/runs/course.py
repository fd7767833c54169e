"""The course of a run or a study: how its windows are planned, and what is done between its checks and its end."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.ledger.export import planned_of
from orchestrator.phases import audit, briefing, ingestion, statistics, training, validation
from orchestrator.phases.phase_context import RunContext
from orchestrator.planning.reach import doubts
from orchestrator.planning.windows import plan
from orchestrator.runs.preflight import lost_bars, refuse_hopeless, stale_bars
from orchestrator.runs.universe import universe_of, universe_sentences
from orchestrator.store.kept_bars import keep_bars
from schemas.config.run import RunConfig
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import FinalError
from schemas.contract.plan import Plan
from schemas.contract.task import Role
from schemas.contract.universe import Universe
from schemas.files.file_system import network_file_system
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.run_files import write_manifest


@dataclass(frozen=True)
class Course:
    """What a session does between its checks and its end: a run, or a study.

    `plan` lays its windows, `walk` does its work. `begin` writes into its new folder what `resume` needs. `is_judged`:
    gates judge what it trains.
    """

    plan: Callable[[RunConfig, CoverageTable, Universe | None], Plan]
    walk: Callable[[RunContext], None]
    begin: Callable[[RunLayout], None] = lambda layout: None
    is_judged: bool = True


def _walk(context: RunContext) -> None:
    """Run the seven phases in order."""
    if (kind := network_file_system(context.layout.folder)) is not None:
        where = f"{context.layout.folder} is on a network file system ({kind})"
        context.live_view.note(f"note: {where}: its ledger is kept without a write-ahead log, which needs one host")
    have_bars(context, RUN)
    if (known := context.manifest.bars) is not None:
        keep_bars(context.layout, BarsLayout.under(context.layout.data_dir, context.manifest.config.interval), known)
    if context.store is not None:
        context.store.offer_plan(context.manifest.bars)
    training.run(context)
    validation.run(context)
    statistics.run(context)
    audit.run(context)
    conclusion = briefing.run(context)
    context.ledger.set(recommendation=conclusion.recommendation, conclusion=conclusion.model_dump_json())


def have_bars(context: RunContext, course: Course) -> None:
    """Store bars and plan windows if that was not done yet; PhaseError if bars of the plan are no longer available."""
    manifest = context.manifest
    config, known = manifest.config, manifest.bars
    rows = known.symbols.values() if known is not None else ()
    # A study's trials read the stored bars; a run's windows read them by digest.
    stale = lost_bars(config, rows, context.layout) if course.is_judged else stale_bars(config, rows)
    if known is not None and not stale:
        return
    if config.skip_fetch:
        raise FinalError(f"{stale[0]} is not what the run began with: another ingestion replaced it; start a new run")
    table = ingestion.run(context)
    if known is None:
        windows = course.plan(config, table, universe := universe_of(config))
        refuse_hopeless(windows)
        noted = doubts(config, windows, None) + universe_sentences(universe, config, None)
        found = doubts(config, windows, table) if course.is_judged else []
        for doubt in found + universe_sentences(universe, config, table):
            if doubt not in noted:
                context.live_view.note(f"note: {doubt}")
        context.manifest = manifest.model_copy(update={"bars": table, "plan": windows})
        context.live_view.state.expect(each.window for each in planned_of(context.manifest, Role.STUDENT))
        write_manifest(context.layout, context.manifest)
    for symbol, row in known.symbols.items() if known is not None else ():
        if symbol not in table.symbols or table.symbols[symbol].sha256 != row.sha256:
            raise FinalError(f"{config.source} changed {symbol} since the run began; start a new run with --reuse")


RUN = Course(plan, _walk)
