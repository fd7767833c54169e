"""The program `workers`: `workers start` for users, hidden commands that answer the orchestrator."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from pydantic import ValidationError

from schemas.contract.base import Frozen
from schemas.contract.device import Device, DeviceKind
from schemas.contract.errors import ExitCode, GurukulError, RequestError
from schemas.contract.extras import explain_missing, missing_modules, training_extras
from schemas.contract.folders import Folders
from schemas.contract.plugin_source import PLUGINS_ENV, plugin_digests, plugins_environment, split_paths
from schemas.contract.release import GoldenCheck, GoldenRequest, PredictRequest
from schemas.contract.requests import (
    Answer,
    ChartLibraryQuestion,
    CheckRequest,
    GateQuestion,
    MatrixRequest,
    OnnxRequest,
    PairedQuestion,
    PluginQuestion,
    PreflightRequest,
    RunQuestion,
    SideQuestion,
    WindowQuestion,
)
from schemas.contract.store_address import STORE_ENV
from schemas.contract.tracking import TrackedRun
from schemas.files.log_lines import LOG_DIR_ENV, LOG_FORMAT_ENV, log_everything
from schemas.files.modes import be_private
from schemas.redis.broker_file import BROKER_FILE_ENV, read_broker_file
from schemas.redis.client import BROKER_ENV
from schemas.store.probe import checked_store
from schemas.terminal.command_help import HELP_SETTINGS, PanelledCommand
from schemas.terminal.insecure_tls import InsecureTls
from schemas.terminal.version_option import VersionOption
from workers.celery.parent_watch import end_with
from workers.devices.discovery import find_devices

if TYPE_CHECKING:
    from workers.devices.supervisor import Logging

logger = logging.getLogger(__name__)


class LogLines(StrEnum):
    """The choices of `--log-format`."""

    TEXT = "text"
    JSON = "json"


Broker = Annotated[str | None, typer.Option(help="redis:// or rediss:// URL of the broker.", envvar=BROKER_ENV)]
BrokerFile = Annotated[
    Path | None, typer.Option(help="File that holds the broker's URL; chmod 600.", envvar=BROKER_FILE_ENV)
]
DataDir = Annotated[
    str,
    typer.Option(
        "--data-dir",
        "--cache-dir",
        help="Folder of bars and models. Workers without --store serve its runs alone; with --store it is their cache.",
        envvar=["GURUKUL_DATA_DIR", "GURUKUL_CACHE_DIR"],
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        help="URL of the store of a fleet without a shared disk: s3://BUCKET/PREFIX.",
        envvar=STORE_ENV,
    ),
]
CacheGib = Annotated[
    float | None,
    typer.Option(
        help="With --store: GiB that copies of runs may take; the longest unused are removed. If omitted: no limit.",
        envvar="GURUKUL_CACHE_GIB",
        min=0.1,
    ),
]
SourceDirs = Annotated[
    list[str], typer.Option(help="Folder or file that bars may be read from; may be given several times.")
]
Plugins = Annotated[
    str, typer.Option(help="Python files whose code runs may use, comma separated.", envvar=PLUGINS_ENV)
]
HERE = ["."]

cli = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    context_settings=HELP_SETTINGS,
)  # fmt: skip


@cli.callback()
def main(_: VersionOption = False) -> None:
    """Train windows on this machine's devices."""


@cli.command(cls=PanelledCommand, context_settings=HELP_SETTINGS)
def start(
    devices: Annotated[
        str, typer.Option(help="auto, gpu:0,1 or cpu:DEVICESxSLOTS.", envvar="GURUKUL_DEVICES")
    ] = "auto",
    broker: Broker = None,
    broker_file: BrokerFile = None,
    _: InsecureTls = False,
    data_dir: DataDir = "data",
    source_dir: SourceDirs = HERE,
    store: StoreOption = None,
    cache_gib: CacheGib = None,
    plugins: Plugins = "",
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    log_format: Annotated[
        LogLines, typer.Option(help="text, or json: one object per line.", envvar=LOG_FORMAT_ENV)
    ] = LogLines.TEXT,
    log_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for workers.log and one log per device. Without it, logs go to stdout.", envvar=LOG_DIR_ENV
        ),
    ] = None,
    drain: Annotated[
        float, typer.Option(min=0.0, help="Seconds for which running windows may go on after Ctrl-C or SIGTERM.")
    ] = 30.0,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Start one worker process per device and keep it running. Stop with Ctrl-C or SIGTERM.

    \b
    Example:
      workers start --devices cpu:2x1 --broker redis://127.0.0.1:6379/0
    """
    from workers.devices.supervisor import Logging, supervise

    logs = Logging(log_level, log_format.value, log_dir)
    be_private()
    _log(logs)
    stop = _stop_event(until_stdin_closes)
    try:
        url = _broker(broker, broker_file)
        found = find_devices(devices)
        # The run that owns tied workers has checked what it needs; an ingestion needs less.
        is_gpu = any(device.kind is DeviceKind.GPU for device in found)
        _require_extras(["worker"] if until_stdin_closes else training_extras(is_gpu))
        folders = _folders(data_dir, source_dir, store, cache_gib)
        _use_plugins(plugins)
        if not until_stdin_closes:
            _join(found, folders, url)
        supervise(found, folders, url, stop, logs, tied=until_stdin_closes, drain_s=drain)
    except (GurukulError, ValueError) as error:
        # Where stdout is a JSON log, stderr usually goes to the same file, so plain text must stay out of it.
        if log_format is LogLines.JSON:
            logger.error("%s", error)
        if log_format is LogLines.TEXT or log_dir is not None:
            typer.echo(f"workers: {error}", err=True)
        raise typer.Exit(error.exit_code if isinstance(error, GurukulError) else ExitCode.REFUSED) from None


@cli.command(cls=PanelledCommand, context_settings=HELP_SETTINGS)
def health(broker: Broker = None, broker_file: BrokerFile = None, _: InsecureTls = False) -> None:
    """Check that a worker of this machine is alive.

    The exit code is 0 if the broker has a heartbeat of a worker of this machine or container, else 3. A heartbeat comes
    from the worker's event loop and expires: one that hangs has none.

    \b
    Example:
      workers health --broker redis://127.0.0.1:6379/0
    """
    from redis.exceptions import RedisError

    from schemas.contract.broker_address import public_url
    from schemas.contract.machine import this_machine
    from schemas.redis.client import connect
    from schemas.redis.connection_fault import broker_fault
    from schemas.redis.presences import read_presences

    try:
        url = _broker(broker, broker_file)
        with connect(url) as redis:
            names = [name for name, each in read_presences(redis).items() if each.machine == this_machine()]
    except GurukulError as error:
        typer.echo(f"workers: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except RedisError as error:
        typer.echo(f"workers: {broker_fault(error, url)}", err=True)
        raise typer.Exit(ExitCode.FAILED) from None
    if not names:
        typer.echo(
            f"workers: broker {public_url(url)} has no heartbeat of this machine; read the log of `workers start`",
            err=True,
        )
        raise typer.Exit(ExitCode.FAILED)
    typer.echo(f"alive: {', '.join(names)}")


@dataclass(frozen=True)
class Question:
    """A hidden command: reads one question of `kind` from stdin, and writes to stdout what `answered_by` returns.

    `answered_by` is a function as module:name, which is imported only when the command runs. It may need the libraries
    of the extra [worker].
    """

    kind: type[Frozen]
    answered_by: str
    needs_worker: bool = False


QUESTIONS = {
    "preflight": Question(PreflightRequest, "workers.inspection.preflight:inspect"),
    "plugins": Question(PluginQuestion, "workers.inspection.plugins:inspect", needs_worker=True),
    "check": Question(CheckRequest, "workers.inspection.feature_check:check", needs_worker=True),
    "own-gate": Question(GateQuestion, "workers.inspection.own_gate:answer", needs_worker=True),
    "side": Question(SideQuestion, "workers.inspection.side:inspect", needs_worker=True),
    "matrix": Question(MatrixRequest, "workers.inspection.feature_matrix:write_matrix", needs_worker=True),
    "explain": Question(WindowQuestion, "workers.inspection.explanation:explain", needs_worker=True),
    "replay": Question(WindowQuestion, "workers.inspection.replay:replay", needs_worker=True),
    "verify": Question(RunQuestion, "workers.inspection.verification:verify", needs_worker=True),
    "paired": Question(PairedQuestion, "workers.inspection.paired:compare", needs_worker=True),
    "onnx": Question(OnnxRequest, "workers.export.onnx_file:write_onnx", needs_worker=True),
    "mlflow": Question(TrackedRun, "workers.export.tracking:store_run"),
    "chart-library": Question(
        ChartLibraryQuestion, "workers.reporting.chart_library:answer_library", needs_worker=True
    ),
    "golden-make": Question(GoldenRequest, "workers.serving.golden:make"),
    "golden-check": Question(GoldenCheck, "workers.serving.golden:check"),
    "predict": Question(PredictRequest, "workers.serving.prediction:predict"),
}


def _answer(question: Question) -> None:
    """Answer one question on stdin; exit with 2 if it is malformed, or what it needs is not installed.

    Code of a plug-in may hang: the process that asks ends it after a limit, and if that process is killed, it ends too.
    """
    end_with(os.getppid())
    try:
        if question.needs_worker:
            _require_extras(["worker"])
        asked = question.kind.model_validate_json(sys.stdin.read())
    except (RequestError, ValidationError) as error:
        typer.echo(f"workers: {error}", err=True)
        raise typer.Exit(2) from None
    module, _, name = question.answered_by.partition(":")
    answer: Answer = getattr(import_module(module), name)(asked)
    typer.echo(answer.model_dump_json())


def _command(question: Question) -> Callable[[], None]:
    def answer() -> None:
        _answer(question)

    return answer


for _name, _question in QUESTIONS.items():
    cli.command(_name, hidden=True)(_command(_question))


def _folders(data_dir: str, source_dir: list[str], store: str | None, cache_gib: float | None) -> Folders:
    """The folders of these workers; RequestError if the store cannot be used as a run needs it."""
    if cache_gib is not None and store is None:
        raise RequestError("--cache-gib limits copies of a store, and --store is not given; leave it out")
    url = None if store is None else checked_store(store)
    return Folders(data_dir=data_dir, sources=tuple(source_dir), store=url, cache_gib=cache_gib)


def _use_plugins(plugins: str) -> None:
    """Give these files to the workers; RequestError for one that cannot be read."""
    paths = split_paths(plugins)
    plugin_digests(paths)
    os.environ.update(plugins_environment(paths))


def _join(devices: list[Device], folders: Folders, broker: str) -> None:
    """Check and name what this host offers a fleet; RequestError for what it lacks."""
    from schemas.files.folder_id import give_folder_id
    from workers.devices.joining import join
    from workers.devices.trial import refuse_untrainable
    from workers.handlers.copies import remove_staged

    refuse_untrainable(devices)
    join(devices, folders, broker)
    if folders.store is None:
        give_folder_id(folders.data_dir)
    else:
        remove_staged(folders.data_dir)


def _broker(url: str | None, file: Path | None) -> str:
    """The broker's URL, from a flag or a file; GurukulError unless there is exactly one of them."""
    if url and file:
        raise GurukulError("--broker and --broker-file exclude each other, and so do their variables; give one")
    found = read_broker_file(file) if file else url
    if not found:
        raise GurukulError(f"no broker: give --broker redis://HOST:PORT/0 or set {BROKER_ENV}")
    return found


def _require_extras(extras: Iterable[str]) -> None:
    """Raise RequestError with the modules that are not installed and the command that installs them."""
    if missing := missing_modules(extras):
        raise RequestError(explain_missing(missing))


def _log(logs: "Logging") -> None:
    """Log to stdout or `workers.log`, uncaught exceptions included; exit with 2 if that file cannot be written."""
    stream: TextIO = sys.stdout
    if logs.folder is not None:
        try:
            logs.folder.mkdir(parents=True, exist_ok=True)
            stream = (logs.folder / "workers.log").open("a", encoding="utf-8")
        except OSError as error:
            typer.echo(f"workers: {logs.folder} cannot be written: {error.strerror}; check --log-dir", err=True)
            raise typer.Exit(2) from None
    try:
        log_everything(stream, logs.format, logs.level)
    except ValueError as error:
        typer.echo(f"workers: {error}; --log-level is DEBUG, INFO, WARNING or ERROR", err=True)
        raise typer.Exit(2) from None
    sys.excepthook = lambda kind, error, trace: logger.critical("%s", error, exc_info=(kind, error, trace))


def _stop_event(until_stdin_closes: bool) -> threading.Event:
    """An event that a signal sets, and the end of standard input if it ends with it."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if until_stdin_closes:
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    return stop


def _stop_at_end_of_input(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()
