"""Sets up the log file, the signal handlers and the fleet of a long command."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from redis import Redis

from orchestrator.broker import embedded
from orchestrator.dispatch.broker_fleet import BrokerFleet
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.local_workers import local_workers
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.sharing import Sharing
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.live_view import LiveView
from schemas.config.bars import BarsConfig, LogFormat
from schemas.config.run import RunConfig
from schemas.contract.errors import Interrupted
from schemas.contract.folders import Folders, paths_read
from schemas.contract.task import Outcome
from schemas.files.folder_id import give_folder_id
from schemas.files.log_lines import formatted
from schemas.redis.signing import NO_KEY, fleet_key


def open_fleet(
    stack: ExitStack, config: BarsConfig, url: str, log: Path, *, run_id: str, redis: Redis, ledger: Ledger,
    telemetry: Emitter, live_view: LiveView, tend: Callable[[], None], window_limit_s: float | None = None,
    foreign: Callable[[Outcome], str] = lambda outcome: "",
    prefetch: Callable[[Sequence[Outcome]], None] = lambda outcomes: None, trained: RunConfig | None = None,
    began: str = "",
) -> Dispatcher:  # fmt: skip
    """Start the local workers that `config` wants, and be ready to send work; `stack` ends both.

    `tend` is called each time the fleet is read, and while the broker does not answer. `foreign`: see
    Dispatcher; `prefetch` and `began`: see BrokerFleet; `trained` are the settings of a run that trains. Messages are
    signed with the key of the environment; on a broker of the run's own, without one, with a new key.
    """
    if config.broker and config.store is None:
        give_folder_id(config.data_dir)
    key = fleet_key() or (NO_KEY if config.broker else embedded.key_of(url))
    libraries = trained.training().model_libraries if trained else ()
    local = None
    if config.local_workers:
        folders = Folders(data_dir=config.data_dir, sources=paths_read(config.bars(None, None)), store=config.store)
        folders = folders.resolved()
        local = stack.enter_context(
            local_workers(config.devices, folders, url, log, config.log_format, key, config.plugins)
        )
    client = CeleryClient(url, key)
    stack.callback(client.close)

    def tend_all() -> None:
        tend()
        if local is not None:
            local.tend()

    dispatcher = Dispatcher(
        run_id,
        Needs.of(config.data_dir, config.store, libraries, config.plugin_digests, key),
        BrokerFleet(run_id, redis, client, key=key, began=began, prefetch=prefetch),
        ledger,
        telemetry,
        live_view,
        tend_all,
        window_limit_s,
        foreign,
        config.min_devices,
        Sharing(run_id, config.priority, config.max_devices),
    )
    dispatcher.take_missed_outcomes()
    return dispatcher


@contextmanager
def logging_to(path: Path, log_format: LogFormat, run_id: str) -> Iterator[None]:
    """Inside the block, this process's log lines go to the end of `path` too, and carry the run's id."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = formatted(logging.FileHandler(path, encoding="utf-8"), log_format, run_id=run_id)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()


@contextmanager
def signals_raise() -> Iterator[Callable[[], None]]:
    """Turn the first SIGINT or SIGTERM into Interrupted; a second one acts as if there were no handler.

    Yields a function that raises it again, to be called between steps: a library may have swallowed the first. Python
    handles signals in the main thread only; in another thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        came.append(number)
        raise Interrupted(number)

    def again() -> None:
        if came:
            raise Interrupted(came[0])

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield again
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
