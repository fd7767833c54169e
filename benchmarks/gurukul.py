"""Gurukul's fleet for the same windows as its peers: real workers, ledger, claims, telemetry; no training."""

import io
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.work import Window, work
from orchestrator.broker import embedded
from orchestrator.dispatch.broker_fleet import BrokerFleet, clear
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.work import Item
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.live_view import LiveView
from schemas.config.training import TrainingSettings
from schemas.contract.task import Outcome, Role, WindowTask
from schemas.contract.window import PlannedWindow
from schemas.redis.client import connect
from schemas.redis.presences import read_presences

IDLE = Path(__file__).parent / "idle"


@contextmanager
def fleet(devices: int, slots: int = 1) -> Iterator[str]:
    """Start a broker and a fleet whose pool children run `idle_body`; yield the broker's URL once all are up."""
    with embedded.server() as url, workers(url, devices, slots):
        yield url


@contextmanager
def workers(url: str, devices: int, slots: int) -> Iterator[None]:
    """Start a fleet of a broker, whose pool children run `idle_body`; begin once all its devices are up."""
    path = os.pathsep.join(filter(None, [str(IDLE), str(IDLE.parents[1]), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-m", "workers", "start", "--devices", f"cpu:{devices}x{slots}", "--broker", url,
         "--data-dir", "data", "--log-level", "WARNING", "--until-stdin-closes"],
        env=os.environ | {"PYTHONPATH": path}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    try:
        with connect(url) as redis:
            while len(read_presences(redis)) < devices:
                time.sleep(0.1)
        yield
    finally:
        process.stdin.close()
        process.wait()


def dispatch(url: str, windows: list[Window], folder: Path, run_id: str | None = None) -> list[dict[str, Any]]:
    """Send every window through a run's dispatcher, ledger and telemetry; return the results in order."""
    run_id = run_id or f"bench{secrets.token_hex(4)}"
    results: dict[str, dict[str, Any]] = {}

    def on_end(outcome: Outcome) -> tuple[()]:
        results[outcome.name] = {"name": outcome.name, "metrics": dict(outcome.metrics)}
        return ()

    items = [Item(task_of(run_id, window)) for window in windows]
    live_view = LiveView(Console(file=io.StringIO()), run_id)
    with (
        closing(Ledger.create(folder / f"{run_id}.db")) as ledger,
        connect(url) as redis,
        Emitter(redis, run_id, folder / f"{run_id}.jsonl", live_view.take) as telemetry,
        closing(CeleryClient(url)) as client,
    ):
        ledger.add(Role.TEACHER, [item.key[1] for item in items])
        fleet = BrokerFleet(run_id, redis, client)
        Dispatcher(run_id, Needs.of("data"), fleet, ledger, telemetry, live_view, lambda: None).run(items, on_end)
        clear(redis, run_id, ledger.devices(), linger_s=0)
    return [results[item.key[1]] for item in items]


def idle_body(task: WindowTask, data_dir: Path) -> Any:
    """Run `benchmarks.work.work` for a window in a pool child. The seed encodes milliseconds and `busy`."""
    from workers.handlers.task_result import Result

    milliseconds, busy = divmod(task.settings.seed, 2)
    result = work({"name": task.window.label, "milliseconds": milliseconds, "busy": bool(busy)})
    return Result(result["metrics"])


def task_of(run_id: str, window: Window) -> WindowTask:
    """The task of one window."""
    seed = 2 * window["milliseconds"] + window["busy"]
    return WindowTask(
        run_id=run_id,
        role=Role.TEACHER,
        window=PlannedWindow.model_validate({"window": window["window"]}).window,
        settings=TrainingSettings.model_validate(window["settings"] | {"seed": seed}),
        bars=window["bars"],
    )
