"""A run from request to recommendation: check everything, write the manifest, open the fleet, walk the phases."""

import logging
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from redis.exceptions import RedisError
from rich.console import Console

from orchestrator import broker as brokers
from orchestrator.context import RunContext
from orchestrator.dispatch import Dispatcher, clear
from orchestrator.hold import hold_name, only_one
from orchestrator.ledger import Ledger
from orchestrator.local import local_workers
from orchestrator.phases import audit, briefing, ingestion, statistics, training, validation
from orchestrator.progress import Progress
from orchestrator.request import prepare, refuse_hopeless, refuse_other_versions, refuse_unwritable, stale_bars
from orchestrator.sender import Sender
from orchestrator.telemetry import Telemetry
from schemas.artifacts import RunManifest
from schemas.config import RunConfig
from schemas.errors import Cancelled, Interrupted, PhaseError, RequestError
from schemas.events import EventStatus, EventType, Phase
from schemas.layout import RunLayout, log_path, remove_temporary, sha256_of, telemetry_path
from schemas.messages import Role, Status
from schemas.names import redact
from schemas.rows import write_model
from schemas.versions import artifact_versions
from schemas.wire import name_key

logger = logging.getLogger(__name__)

READY, FAILED, INTERRUPTED, CANCELLED = "ready-for-review", "failed", "interrupted", "cancelled"
EXIT_CODES = {READY: 0, FAILED: 3, INTERRUPTED: 130, CANCELLED: 130}
# Recorded beside the versions that decide an artifact's bytes.
OTHER_LIBRARIES = ("celery", "redis", "pydantic", "arch", "matplotlib")


def start(config: RunConfig, console: Console) -> tuple[RunManifest, int]:
    """Run a new request to its end; returns its manifest and the exit code. RequestError before anything is written."""
    refuse_unwritable(config)
    prepared = prepare(config)
    refuse_hopeless(prepared)
    config = prepared.config
    if prepared.passed_over:
        console.print(f"passed over, not a symbol's name: {', '.join(prepared.passed_over)}", markup=False)
    run_id = config.run_id or f"live_candidate_{datetime.now():%Y%m%d_%H%M%S}"
    layout = RunLayout.under(config.data_dir, run_id)
    manifest = RunManifest(
        run_id=run_id,
        created=datetime.now(UTC),
        config=config.model_copy(update={"broker": redact(config.broker) if config.broker else None}),
        devices=prepared.devices,
        coverage=prepared.coverage,
        plan=prepared.plan,
        versions=artifact_versions() | {name: version(name) for name in OTHER_LIBRARIES},
    )
    with ExitStack() as stack:
        url = config.broker or stack.enter_context(brokers.embedded())
        brokers.wait(url)
        redis = stack.enter_context(brokers.connect(url))
        hold_name(redis, layout)
        try:
            layout.folder.mkdir(parents=True)
        except FileExistsError:
            raise RequestError(
                f"{layout.folder} exists already; give another --run-id, or `orchestrator resume {run_id}`"
            ) from None
        except OSError as error:
            raise RequestError(f"{layout.folder} cannot be made: {error.strerror}; check --data-dir") from None
        write_model(layout.manifest, manifest)
        ledger = stack.enter_context(closing(Ledger.create(layout.ledger)))
        stack.enter_context(only_one(layout, ledger))
        clear(redis, run_id, (), linger_s=0)  # an earlier run of that name whose folder was removed
        return manifest, _execute(manifest, layout, ledger, url, console)


def resume(manifest: RunManifest, layout: RunLayout, broker: str | None, console: Console) -> int:
    """Finish a run that ended early; returns the exit code. What has ended well is not done again."""
    refuse_other_versions(manifest)
    shared = broker or manifest.config.broker
    if shared is not None:
        brokers.check(shared)
    with ExitStack() as stack:
        url = shared or stack.enter_context(brokers.embedded())
        ledger = stack.enter_context(closing(Ledger(layout.ledger)))
        stack.enter_context(only_one(layout, ledger))
        reopened = reopen_broken(ledger, layout)
        if ledger.get("status") == READY and not reopened:
            return EXIT_CODES[READY]
        return _execute(manifest, layout, ledger, url, console)


def reopen_broken(ledger: Ledger, layout: RunLayout) -> list[str]:
    """Make windows pending again that failed, or whose artifacts are not what the ledger says; returns their names."""
    reopened = []
    for role in (Role.TEACHER, Role.STUDENT):
        for record in ledger.records(role):
            folder = layout.artifact(record.name, role)
            metadata = folder / "metadata.json"
            intact = metadata.is_file() and sha256_of(metadata) == record.digests.get("metadata.json")
            if record.status is Status.FAILED or (record.status is Status.SUCCESS and not intact):
                shutil.rmtree(folder, ignore_errors=True)
                ledger.reopen(role, [record.name])
                reopened.append(f"{role} {record.name}")
    return reopened


def _execute(manifest: RunManifest, layout: RunLayout, ledger: Ledger, url: str, console: Console) -> int:
    """Walk the phases with everything open; record how it ended on every way out."""
    config, began = manifest.config, time.monotonic()
    log = log_path(config, manifest.run_id)
    before = float(ledger.get("duration_seconds") or 0.0)
    status, message = FAILED, ""
    with _logging_to(log), _signals_raise(), ExitStack() as stack:
        redis = stack.enter_context(brokers.connect(url))
        path = telemetry_path(config, manifest.run_id) if config.telemetry else None
        hold_name(redis, layout)
        telemetry = stack.enter_context(Telemetry(redis, manifest.run_id, path))
        progress = stack.enter_context(Progress(console, manifest.run_id))
        ledger.set(status="running", cancelled="")
        telemetry.emit(EventType.RUN_START, EventStatus.IN_PROGRESS)
        context: RunContext | None = None
        dispatcher: Dispatcher | None = None
        try:
            local = stack.enter_context(local_workers(config.devices, url, log)) if config.local_workers else None
            sender = Sender(url)
            stack.callback(sender.close)

            def tend() -> None:
                if ledger.get("cancelled"):
                    raise Cancelled("`orchestrator cancel` asked for it")
                if local is not None:
                    local.tend()
                with suppress(RedisError):
                    hold_name(redis, layout)

            dispatcher = Dispatcher(
                manifest.run_id, redis, ledger, sender, telemetry, progress, tend, config.window_limit
            )
            dispatcher.drain()
            context = RunContext(manifest, layout, ledger, dispatcher, telemetry, progress)
            _walk(context)
            status = READY
        except Interrupted as error:
            status, message = INTERRUPTED, str(error)
            progress.note("stopping; once more to stop at once")
        except Cancelled as error:
            status, message = CANCELLED, str(error)
        except (RedisError, ConnectionError) as error:
            message = f"the broker at {redact(url)} is gone: {error}"
        except (PhaseError, RequestError) as error:
            message = str(error)
        except Exception as error:
            logger.exception("the orchestrator failed")
            message = f"{type(error).__name__}: {error}; {log} has the traceback"
        finally:
            seconds = time.monotonic() - began
            if context is not None:
                context.end_open(status, message)
            if dispatcher is not None and status != READY:
                dispatcher.leave(kill=status == CANCELLED)
            ledger.set(status=status, message=message, duration_seconds=str(before + seconds))
            event_status = EventStatus.SUCCESS if status == READY else EventStatus.FAILED
            telemetry.finish(EventType.RUN_END, event_status, message=message or status, duration_seconds=seconds)
            if dispatcher is not None and status in (READY, CANCELLED):
                dispatcher.finish()
            with suppress(RedisError):
                redis.delete(name_key(manifest.run_id))
            logger.info("run %s: %s %s", manifest.run_id, status, message)
    if status == CANCELLED or (status != READY and config.local_workers):
        remove_temporary(layout.folder)  # of what was killed with it
    return EXIT_CODES[status]


def _walk(context: RunContext) -> None:
    ended = {record.name for record in context.ledger.phases() if record.status == "success"}
    manifest = context.manifest
    stale = stale_bars(manifest.config, manifest.coverage)
    if manifest.config.skip_fetch and stale:
        raise PhaseError(f"{stale[0]} is not what the run began with: another ingestion replaced it; start a new run")
    if not manifest.config.skip_fetch and (stale or Phase.DATA_INGESTION not in ended):
        ingestion.run(context)
    training.run(context)
    validation.run(context)
    statistics.run(context)
    audit.run(context)
    recommendation, reasons = briefing.run(context)
    context.ledger.set(recommendation=recommendation, reasons="\n".join(reasons))


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into Interrupted; a second one acts as if there were no handler."""

    def handle(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
