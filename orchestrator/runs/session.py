"""Runs a request from its checks to its recommendation: manifest, fleet, phases, end."""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from redis.exceptions import RedisError

from orchestrator.audit.signing import read_private_key
from orchestrator.bars.zone import calendar_of
from orchestrator.broker import embedded
from orchestrator.broker.requirements import check_for_run
from orchestrator.dispatch.broker_fleet import clear
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.export import planned_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_lock import only_one
from orchestrator.ledger.run_name import RunName
from orchestrator.phases.phase_context import RunContext
from orchestrator.planning.reach import doubts
from orchestrator.runs.course import RUN, Course
from orchestrator.runs.full_disk import is_full, naming_full_disk
from orchestrator.runs.identity import account
from orchestrator.runs.plugins import refuse_other_plugins
from orchestrator.runs.preflight import (
    prepare,
    refuse_held_out,
    refuse_hopeless,
    refuse_missing_extras,
    refuse_other_versions,
    refuse_tuned_days,
    refuse_unwritable,
    scratch_folder,
)
from orchestrator.runs.runtime import logging_to, open_fleet, signals_raise
from orchestrator.runs.side import keep_side, refuse_missing_side, side_sentences
from orchestrator.runs.tracking import refuse_untracked, track_finished
from orchestrator.runs.universe import keep_universe, refuse_missing_universe, universe_sentences
from orchestrator.store.run_store import RunStore
from orchestrator.terminal.console import Console, report_files
from orchestrator.terminal.live_view import LiveView
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.broker_address import has_login, public_url
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import (
    Cancelled,
    ExitCode,
    FileError,
    FinalError,
    GurukulError,
    Interrupted,
    PhaseError,
    RequestError,
)
from schemas.contract.event import EventStatus, EventType
from schemas.contract.run import RunStatus
from schemas.contract.task import Metric, Outcome, Role, Status
from schemas.contract.versions import artifact_versions, installed_versions
from schemas.files.atomic import remove_temporary, sha256_of
from schemas.files.belonging import foreign_end
from schemas.files.layout import RunLayout, log_path, telemetry_path
from schemas.files.modes import private_files
from schemas.files.run_files import write_manifest
from schemas.files.trial_log import trial_logs
from schemas.redis.broker_file import recorded_broker
from schemas.redis.client import connect
from schemas.redis.writes import trouble

logger = logging.getLogger(__name__)

EXIT_CODES = {
    RunStatus.READY: ExitCode.DONE,
    RunStatus.FAILED: PhaseError.exit_code,
    RunStatus.INTERRUPTED: Interrupted.exit_code,
    RunStatus.CANCELLED: Cancelled.exit_code,
}
# Recorded beside the versions that decide an artifact's bytes.
OTHER_LIBRARIES = ("celery", "redis", "pydantic", "altair", "arch", "statsmodels", "vl-convert-python")


@private_files()
def start(config: RunConfig, console: Console, course: Course | None = None) -> tuple[RunLayout, int]:
    """Run a new request to its end; returns its folder and the exit code. RequestError before anything is written."""
    refuse_unwritable(
        {
            "--data-dir": config.data_dir,
            "--release-dir": config.release_dir,
            "--log-dir": config.log_dir,
            "--telemetry-dir": config.telemetry_dir,
            "--trials-dir": str(trial_logs(config)[0].parent),
        }
    )
    if config.signing_key is not None:
        read_private_key(config.signing_key)  # fail now, not when the run signs its audit
    refuse_untracked(config)
    with scratch_folder() as scratch:
        return _start(config, console, scratch, course or RUN)


def _start(config: RunConfig, console: Console, scratch: Path, course: Course) -> tuple[RunLayout, int]:
    prepared = prepare(config, scratch=scratch, idle=not course.is_judged)
    config = prepared.config
    windows = course.plan(config, prepared.known or CoverageTable(), prepared.universe)
    refuse_held_out(config, windows)
    refuse_tuned_days(config, windows)
    if prepared.known is not None:
        refuse_hopeless(windows)
    beside = universe_sentences(prepared.universe, config, prepared.known)
    doubted = doubts(config, windows, prepared.known) if course.is_judged else ()
    beside += side_sentences(prepared.side, calendar_of(config, prepared.known))
    for doubt in (*prepared.risks, *doubted, *beside):
        console.write(f"note: {doubt}")
    report_files(console, prepared.understood, prepared.passed_over)
    run_id = config.run_id or f"live_candidate_{datetime.now():%Y%m%d_%H%M%S}"
    layout = RunLayout.under(config.data_dir, run_id)
    manifest = RunManifest(
        run_id=run_id,
        created=datetime.now(UTC),
        config=_without_secrets(config),
        devices=prepared.devices,
        bars=prepared.known,
        plan=windows if prepared.known is not None else (),
        versions=artifact_versions(*config.training().model_libraries) | installed_versions(*OTHER_LIBRARIES),
        trained_by=account(),
        side=prepared.side,
    )
    with naming_full_disk(layout), ExitStack() as stack:
        url = config.broker or stack.enter_context(embedded.server())
        embedded.wait(url)
        redis = stack.enter_context(connect(url))
        RunName(redis, layout, manifest.created).hold()
        try:
            layout.folder.mkdir(parents=True)
        except FileExistsError:
            raise RequestError(f"{layout.folder} exists already; {_choice(layout, config.data_dir)}") from None
        except OSError as error:
            raise RequestError(f"{layout.folder} cannot be made: {error.strerror}; check --data-dir") from None
        keep_side(prepared.side, scratch, config.data_dir)
        keep_universe(prepared.universe, config.data_dir)
        course.begin(layout)
        write_manifest(layout, manifest)
        if (store := RunStore.of(config, layout)) is not None:
            try:
                store.claim_name()
                store.hold()
            except GurukulError:
                shutil.rmtree(layout.folder)
                raise
        ledger = stack.enter_context(closing(Ledger.create(layout.ledger)))
        if store is not None:
            stack.callback(store.leave, ledger)
        stack.enter_context(only_one(layout, ledger))
        clear(redis, run_id, (), linger_s=0)  # an earlier run of that name whose folder was removed
        code = _execute(manifest, layout, ledger, url, console, store, course, scratch)
    return layout, track_finished(code, layout, config, console)


def _choice(layout: RunLayout, data_dir: str) -> str:
    """What to do about a run of that name."""
    try:
        with closing(Ledger(layout.ledger, read_only=True)) as ledger:
            step = ledger.condition().next_command(layout.folder.name, data_dir)
    except FileError:
        return "give another --run-id"
    return f"give another --run-id, or `{step}`"


def _without_secrets(config: RunConfig) -> RunConfig:
    """The config as it is stored: `resume` needs the broker's password again, or reads it from the same file."""
    url, file = config.broker, config.broker_file
    stored = {
        "broker": public_url(url) if url else None,
        "broker_file": str(Path(file).absolute()) if file else None,
        "broker_login": url is not None and has_login(url),
    }
    return config.model_copy(update=stored)


@private_files()
def resume(
    manifest: RunManifest, layout: RunLayout, broker: str | None, console: Console, course: Course | None = None
) -> int:
    """Finish a run that ended early; returns the exit code. Work that succeeded is not repeated.

    RequestError, before anything is opened, if versions or broker differ or this host lacks an extra that it needs.
    """
    refuse_other_versions(manifest)
    shared = broker or recorded_broker(manifest.config)
    if shared is not None:
        embedded.check(shared)
    refuse_other_plugins(manifest)
    if manifest.config.store is None:
        refuse_missing_side(manifest)
        refuse_missing_universe(manifest)
    refuse_missing_extras(manifest)
    for risk in check_for_run(shared, manifest.devices) if shared is not None else ():
        console.write(f"note: {risk}")
    with naming_full_disk(layout), ExitStack() as stack:
        url = shared or stack.enter_context(embedded.server())
        ledger = stack.enter_context(closing(Ledger(layout.ledger)))
        stack.enter_context(only_one(layout, ledger))
        store = RunStore.of(manifest.config, layout)
        if store is not None:
            store.hold()
            stack.callback(store.leave, ledger)
        reopened = reopen_broken(ledger, layout, store)
        if ledger.condition().status is RunStatus.READY and not reopened:
            return EXIT_CODES[RunStatus.READY]
        code = _execute(manifest, layout, ledger, url, console, store, course or RUN)
    return track_finished(code, layout, manifest.config, console)


def reopen_broken(ledger: Ledger, layout: RunLayout, store: RunStore | None) -> list[str]:
    """Reopen windows that failed, or whose artifacts are not those of ledger and manifest; returns their names."""
    reopened = []
    for role in (Role.TEACHER, Role.STUDENT):
        for record in ledger.records(role, ended=True):
            folder = layout.artifact(record.name, role)
            paths = {folder / name: digest for name, digest in record.digests.items()}
            intact = bool(paths) and all(path.is_file() and sha256_of(path) == paths[path] for path in paths)
            if record.status is Status.FAILED or (
                record.status is Status.SUCCESS and (not intact or foreign_end(record, layout))
            ):
                if store is not None:
                    store.drop(folder)
                shutil.rmtree(folder, ignore_errors=True)
                ledger.reopen(role, [record.name])
                reopened.append(f"{role} {record.name}")
    return reopened


def _execute(
    manifest: RunManifest, layout: RunLayout, ledger: Ledger, url: str, console: Console, store: RunStore | None,
    course: Course, scratch: Path | None = None,
) -> int:  # fmt: skip
    """Open fleet and telemetry, run the phases, and record how the run ended, whatever the reason."""
    config, began = manifest.config, time.monotonic()
    log = log_path(config, manifest.run_id)
    before = float(ledger.get("duration_seconds") or 0.0)
    status, message, is_final = RunStatus.FAILED, "", False
    with logging_to(log, config.log_format, manifest.run_id), signals_raise() as interrupted, ExitStack() as stack:
        redis = stack.enter_context(connect(url))
        path = telemetry_path(config, manifest.run_id) if config.telemetry else None
        name = RunName(redis, layout, manifest.created)
        name.hold()
        live_view = stack.enter_context(LiveView(console, manifest.run_id))
        live_view.state.expect(each.window for each in planned_of(manifest, Role.STUDENT))
        delays = config.telemetry_buffer, config.telemetry_delay
        telemetry = stack.enter_context(Emitter(redis, manifest.run_id, path, live_view.take, *delays))
        live_view.show()
        ledger.set(status=RunStatus.RUNNING, cancelled="", message="", waiting="", is_final="")
        telemetry.emit(EventType.RUN_START, EventStatus.IN_PROGRESS)
        context: RunContext | None = None
        dispatcher: Dispatcher | None = None
        try:
            dispatcher = open_fleet(
                stack, config, url, log, run_id=manifest.run_id, redis=redis, ledger=ledger, telemetry=telemetry,
                live_view=live_view, tend=partial(_tend, interrupted, ledger, name, store),
                window_limit_s=config.window_limit, foreign=partial(_foreign, layout=layout, store=store),
                prefetch=partial(_prefetch, store=store), trained=config, began=manifest.created.isoformat(),
            )  # fmt: skip
            context = RunContext(manifest, layout, ledger, dispatcher, telemetry, live_view, scratch, store, url)
            course.walk(context)
            status = RunStatus.READY
        except Exception as error:
            status, message = _end_of(error, url, log)
            is_final = isinstance(error, FinalError | RequestError)
            if status is RunStatus.INTERRUPTED:
                live_view.note("stopping; once more to stop at once")
        finally:
            seconds = time.monotonic() - began
            if context is not None:
                context.end_open(status, message)
            if dispatcher is not None and status is not RunStatus.READY:
                dispatcher.stop_attempts(kill=status is RunStatus.CANCELLED)
            ledger.set(
                status=status, message=message, is_final="yes" if is_final else "",
                duration_seconds=str(before + seconds),
            )  # fmt: skip
            _emit_end(telemetry, status, message, seconds, ledger.get("recommendation"))
            if dispatcher is not None and status in (RunStatus.READY, RunStatus.CANCELLED):
                dispatcher.clear_broker()
            with suppress(RedisError):
                name.release(status)
            logger.info("run %s: %s %s", manifest.run_id, status, message)
    if status is RunStatus.CANCELLED or (status is not RunStatus.READY and config.local_workers):
        remove_temporary(layout.folder)  # of the workers that were killed
    return EXIT_CODES[status]


def _foreign(outcome: Outcome, layout: RunLayout, store: RunStore | None) -> str:
    """Why what an outcome reports is not the run's own; empty if it is, and its files are here."""
    return (store.take(outcome) if store is not None else "") or foreign_end(outcome, layout)


def _prefetch(outcomes: Sequence[Outcome], store: RunStore | None) -> None:
    """Bring the files of outcomes that came together here at once."""
    if store is not None:
        store.take_all(outcomes)


def _tend(interrupted: Callable[[], None], ledger: Ledger, name: RunName, store: RunStore | None) -> None:
    """Between two steps: raise if the run is to stop, and keep its heartbeat and its name on the broker."""
    interrupted()
    ledger.beat()
    if store is not None:
        store.lease.keep()
    asked = bool(ledger.get("cancelled"))
    with suppress(RedisError):
        asked = name.hold() or asked
    if asked:
        raise Cancelled("stopped by `orchestrator cancel`")


def _end_of(error: Exception, url: str, log: Path) -> tuple[RunStatus, str]:
    """The status and the message of a run that an error ended; the traceback of an unexpected error is logged."""
    match error:
        case Interrupted():
            return RunStatus.INTERRUPTED, str(error)
        case Cancelled():
            return RunStatus.CANCELLED, str(error)
        case RedisError() | ConnectionError():
            return RunStatus.FAILED, f"the broker {public_url(url)} {trouble(error)}"
        case GurukulError():
            return RunStatus.FAILED, str(error)
        case _ if is_full(error):
            return RunStatus.FAILED, f"a disk is full: {error}; free some"
    logger.error("the orchestrator failed", exc_info=error)
    return RunStatus.FAILED, f"{type(error).__name__}: {error}; {log} has the traceback"


def _emit_end(telemetry: Emitter, status: RunStatus, message: str, seconds: float, recommendation: str | None) -> None:
    event_status = EventStatus.SUCCESS if status is RunStatus.READY else EventStatus(status)
    metrics: dict[str, Metric] = {"status": status, "recommendation": recommendation}
    telemetry.finish(
        EventType.RUN_END, event_status, message=message or status, duration_seconds=seconds, metrics=metrics
    )
