"""The program `workers`: `workers start` for users, hidden commands that answer the orchestrator."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, TypeVar

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
    CheckRequest,
    MatrixRequest,
    PluginQuestion,
    PreflightRequest,
    RunQuestion,
    WindowQuestion,
)
from schemas.contract.store_address import STORE_ENV
from schemas.files.log_lines import LOG_DIR_ENV, LOG_FORMAT_ENV, log_everything
from schemas.files.modes import be_private
from schemas.redis.broker_file import BROKER_FILE_ENV, read_broker_file
from schemas.redis.client import BROKER_ENV
from schemas.store.probe import checked_store
from schemas.terminal.command_help import HELP_FLAGS, PanelledCommand
from workers.devices.discovery import find_devices

if TYPE_CHECKING:
    from workers.devices.supervisor import Logging

logger = logging.getLogger(__name__)

Q = TypeVar("Q", bound=Frozen)


class LogLines(StrEnum):
    """The choices of `--log-format`."""

    TEXT = "text"
    JSON = "json"


DataDir = Annotated[
    str,
    typer.Option(
        help="Folder of bars and models. Workers without --store serve the runs of this folder alone.",
        envvar="GURUKUL_DATA_DIR",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        help="URL of the store of a fleet without a shared disk: s3://BUCKET/PREFIX. DATA_DIR then holds copies.",
        envvar=STORE_ENV,
    ),
]
CacheGib = Annotated[
    float | None,
    typer.Option(
        help="With --store: GiB of DATA_DIR for copies of runs; the longest unused are removed. If omitted: no limit.",
        envvar="GURUKUL_CACHE_GIB",
        min=0.1,
    ),
]
SourceDirs = Annotated[list[str], typer.Option(help="Folder or file that bars may be read from; repeatable.")]
Plugins = Annotated[
    str, typer.Option(help="Python files whose features runs may use, comma separated.", envvar=PLUGINS_ENV)
]
HERE = ["."]

cli = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    context_settings=HELP_FLAGS,
)  # fmt: skip


@cli.callback()
def main() -> None:
    """Train windows on this machine's devices."""


@cli.command(cls=PanelledCommand, context_settings=HELP_FLAGS)
def start(
    devices: Annotated[
        str, typer.Option(help="auto, gpu:0,1 or cpu:DEVICESxSLOTS.", envvar="GURUKUL_DEVICES")
    ] = "auto",
    broker: Annotated[
        str | None, typer.Option(help="redis:// or rediss:// URL of the broker.", envvar=BROKER_ENV)
    ] = None,
    broker_file: Annotated[
        Path | None, typer.Option(help="File that holds the broker's URL; chmod 600.", envvar=BROKER_FILE_ENV)
    ] = None,
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


@cli.command(hidden=True)
def preflight() -> None:
    """Answer one PreflightRequest on stdin with one PreflightReport on stdout."""
    from workers.inspection.preflight import inspect

    _answer(PreflightRequest, inspect)


@cli.command(hidden=True)
def plugins() -> None:
    """Answer one PluginQuestion on stdin with one PluginReport on stdout."""
    _need_worker()
    from workers.inspection.plugins import inspect

    _answer(PluginQuestion, inspect)


@cli.command(hidden=True)
def check() -> None:
    """Answer one CheckRequest on stdin with one CheckReport on stdout."""
    _need_worker()
    from workers.inspection.feature_check import check

    _answer(CheckRequest, check)


@cli.command(hidden=True)
def matrix() -> None:
    """Answer one MatrixRequest on stdin with one MatrixWritten on stdout."""
    _need_worker()
    from workers.inspection.feature_matrix import write_matrix

    _answer(MatrixRequest, write_matrix)


@cli.command(hidden=True)
def explain() -> None:
    """Answer one WindowQuestion on stdin with one Explanation on stdout."""
    _need_worker()
    from workers.inspection.explanation import explain

    _answer(WindowQuestion, explain)


@cli.command(hidden=True)
def replay() -> None:
    """Answer one WindowQuestion on stdin with one Replay on stdout."""
    _need_worker()
    from workers.inspection.replay import replay

    _answer(WindowQuestion, replay)


@cli.command(hidden=True)
def verify() -> None:
    """Answer one RunQuestion on stdin with one Verification on stdout."""
    _need_worker()
    from workers.inspection.verification import verify

    _answer(RunQuestion, verify)


@cli.command(hidden=True)
def golden_make() -> None:
    """Answer one GoldenRequest on stdin with one GoldenMade on stdout."""
    from workers.serving.golden import make

    _answer(GoldenRequest, make)


@cli.command(hidden=True)
def golden_check() -> None:
    """Answer one GoldenCheck on stdin with one GoldenChecked on stdout."""
    from workers.serving.golden import check

    _answer(GoldenCheck, check)


@cli.command(hidden=True)
def predict() -> None:
    """Answer one PredictRequest on stdin with one Predictions on stdout."""
    from workers.serving.prediction import predict

    _answer(PredictRequest, predict)


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
    from workers.devices.joining import join
    from workers.devices.trial import refuse_untrainable
    from workers.handlers.copies import remove_staged

    refuse_untrainable(devices)
    if folders.store is not None:
        remove_staged(folders.data_dir)
    join(devices, folders, broker)


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


def _need_worker() -> None:
    """Exit with 2, after one line on stderr, where the extra [worker] is not installed."""
    try:
        _require_extras(["worker"])
    except RequestError as error:
        typer.echo(f"workers: {error}", err=True)
        raise typer.Exit(2) from None


def _answer(kind: type[Q], answer: Callable[[Q], Answer]) -> None:
    """Read a request of this kind from stdin and write its answer to stdout; exit with 2 for a malformed request."""
    try:
        question = kind.model_validate_json(sys.stdin.read())
    except ValidationError as error:
        typer.echo(f"workers: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(answer(question).model_dump_json())


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
