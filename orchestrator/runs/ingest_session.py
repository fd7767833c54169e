"""`orchestrator ingest`: the data_ingestion phase by itself, on the same fleet, through the same code."""

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime
from functools import partial
from pathlib import Path

from redis.exceptions import RedisError

from orchestrator.bars.coverage import table_of
from orchestrator.broker import embedded
from orchestrator.broker.requirements import check_for_run
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.phases.ingestion import Ingestion, store
from orchestrator.planning.days import days_asked_for
from orchestrator.runs.plugins import with_own_source
from orchestrator.runs.preflight import refuse_taken_devices, refuse_unwritable, scratch_folder
from orchestrator.runs.runtime import logging_to, open_fleet, signals_raise
from orchestrator.runs.worker_process import ask
from orchestrator.store.run_store import take_bars
from orchestrator.terminal.console import Console, report_files
from orchestrator.terminal.live_view import LiveView
from schemas.config.bars import BarsSettings, IngestConfig
from schemas.contract.broker_address import public_url
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import FileError, PhaseError
from schemas.contract.event import EventStatus, EventType
from schemas.contract.requests import PreflightReport, PreflightRequest
from schemas.contract.run import Phase
from schemas.contract.task import Outcome
from schemas.files.layout import BarsLayout
from schemas.files.modes import private_files
from schemas.redis.client import connect
from schemas.redis.writes import trouble
from schemas.store.mirror import Mirror


@private_files()
def start(config: IngestConfig, console: Console) -> CoverageTable:
    """Store the requested bars; RequestError before anything is written, PhaseError if the broker no longer answers."""
    refuse_unwritable({"--data-dir": config.data_dir, "--log-dir": config.log_dir})
    with scratch_folder() as scratch:
        return _ingest(config, console, scratch)


def _ingest(config: IngestConfig, console: Console, scratch: Path) -> CoverageTable:
    config = with_own_source(config)
    bars, report = _look(config, read=False, scratch=scratch)
    report_files(console, report.understood, report.passed_over)
    if config.broker is not None:
        for risk in check_for_run(config.broker, report.devices):
            console.write(f"note: {risk}")
    refuse_taken_devices(config, report.devices)
    run_id = f"ingest_{datetime.now():%Y%m%d_%H%M%S}_{secrets.token_hex(2)}"
    log = Path(config.log_dir) / f"{run_id}.log"
    wanted = Ingestion(
        run_id=run_id,
        data_dir=config.data_dir,
        telemetry=False,
        bars=bars,
        symbols=report.symbols,
        store=config.store,
        scratch=scratch,
    )
    with logging_to(log, config.log_format, run_id), signals_raise() as interrupted, ExitStack() as stack:
        url = config.broker or stack.enter_context(embedded.server())
        embedded.wait(url)
        try:
            return _store(stack, config, wanted, url, log, console, interrupted)
        except (RedisError, ConnectionError) as error:
            raise PhaseError(f"the broker {public_url(url)} {trouble(error)}; then ingest again") from None


def look(config: IngestConfig, console: Console) -> CoverageTable:
    """Judge the requested bars and store nothing."""
    with console.status("reading bars"):
        bars, report = _look(with_own_source(config), read=True)
    report_files(console, report.understood, report.passed_over)
    return table_of(bars, report.ingested)


def _look(config: IngestConfig, *, read: bool, scratch: Path | None = None) -> tuple[BarsSettings, PreflightReport]:
    if config.broker is not None and not read:
        embedded.check(config.broker)
    bars = config.bars(*days_asked_for(config), incremental=config.incremental)
    devices = config.devices if config.local_workers and not read else None
    request = PreflightRequest(
        devices=devices, bars=bars, symbols=config.symbols, read=read, data_dir=config.data_dir,
        scratch=None if scratch is None else str(scratch),
    )  # fmt: skip
    return bars, ask("preflight", request, PreflightReport, config.plugins)


def _store(
    stack: ExitStack, config: IngestConfig, wanted: Ingestion, url: str, log: Path, console: Console,
    interrupted: Callable[[], None],
) -> CoverageTable:  # fmt: skip
    redis = stack.enter_context(connect(url))
    ledger = stack.enter_context(closing(Ledger.in_memory()))
    live_view = stack.enter_context(LiveView(console, wanted.run_id))
    telemetry = stack.enter_context(Emitter(redis, wanted.run_id, None, live_view.take))
    live_view.show()
    mirror, bars = Mirror.of(config.data_dir, config.store), BarsLayout.under(config.data_dir, config.interval)
    dispatcher = open_fleet(
        stack, config, url, log, run_id=wanted.run_id, redis=redis, ledger=ledger, telemetry=telemetry,
        live_view=live_view, tend=interrupted, foreign=partial(_not_there, mirror=mirror, bars=bars),
    )  # fmt: skip
    began, status, phase = time.monotonic(), EventStatus.FAILED, Phase.DATA_INGESTION
    telemetry.emit(EventType.PHASE_START, EventStatus.IN_PROGRESS, phase, metrics={"planned": len(wanted.symbols)})
    try:
        table = store(wanted, dispatcher, ledger, telemetry)
        status = EventStatus.SUCCESS if table.symbols else EventStatus.FAILED
        return table
    finally:
        dispatcher.stop_attempts(kill=True)
        telemetry.emit(EventType.PHASE_END, status, phase, duration_seconds=time.monotonic() - began)
        dispatcher.clear_broker()


def _not_there(outcome: Outcome, mirror: Mirror | None, bars: BarsLayout) -> str:
    """Why the bars of an outcome are not in the store; empty if they are, and are here now."""
    try:
        if mirror is not None:
            take_bars(mirror, bars, outcome)
    except FileError as error:
        return str(error)
    return ""
