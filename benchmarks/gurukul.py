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
from schemas.files.atomic import artifact_folder
from schemas.files.layout import RunLayout
from schemas.redis.client import connect
from schemas.redis.presences import read_presences

IDLE = Path(__file__).parent / "idle"


@contextmanager
def fleet(devices: int, slots: int = 1) -> Iterator[str]:
    """Start a broker and a fleet whose pool children run `idle_body`; yield the broker's URL once all are up."""
    with embedded.server() as url, workers(url, devices, slots):
        yield url


@contextmanager
def workers(url: str, devices: int, slots: int, *more: str, data_dir: str = "data") -> Iterator[None]:
    """Start a fleet of a broker, whose pool children run `idle_body`; begin once all its devices are up.

    `more` are further arguments of `workers start`.
    """
    path = os.pathsep.join(filter(None, [str(IDLE), str(IDLE.parents[1]), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-m", "workers", "start", "--devices", f"cpu:{devices}x{slots}", "--broker", url,
         "--data-dir", data_dir, "--log-level", "WARNING", "--until-stdin-closes", *more],
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


def dispatch(
    url: str, windows: list[Window], folder: Path, run_id: str | None = None, *, role: Role = Role.TEACHER,
    store: str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Send every window through a run's dispatcher, ledger and telemetry; return the results in order."""
    run_id = run_id or f"bench{secrets.token_hex(4)}"
    results: dict[str, dict[str, Any]] = {}

    def on_end(outcome: Outcome) -> tuple[()]:
        results[outcome.name] = {"name": outcome.name, "metrics": dict(outcome.metrics)}
        return ()

    items = [Item(task_of(run_id, window, role)) for window in windows]
    live_view = LiveView(Console(file=io.StringIO()), run_id)
    with (
        closing(Ledger.create(folder / f"{run_id}.db")) as ledger,
        connect(url) as redis,
        Emitter(redis, run_id, folder / f"{run_id}.jsonl", live_view.take) as telemetry,
        closing(CeleryClient(url)) as client,
    ):
        ledger.add(role, [item.key[1] for item in items])
        fleet, needs = BrokerFleet(run_id, redis, client), Needs.of("data", store)
        Dispatcher(run_id, needs, fleet, ledger, telemetry, live_view, lambda: None).run(items, on_end)
        clear(redis, run_id, ledger.devices(), linger_s=0)
    return [results[item.key[1]] for item in items]


def idle_body(task: WindowTask, data_dir: Path) -> Any:
    """Run `benchmarks.work.work` for a window in a pool child. The seed encodes milliseconds and `busy`.

    A student reads its teacher first, and stores an artifact of the same size.
    """
    from workers.handlers.task_result import Result

    milliseconds, busy = divmod(task.settings.seed, 2)
    layout = RunLayout.under(data_dir, task.run_id)
    read = artifact_files(layout.artifact(task.window.label, Role.TEACHER)) if task.role is Role.STUDENT else {}
    result = work({"name": task.window.label, "milliseconds": milliseconds, "busy": bool(busy)})
    if read:
        with artifact_folder(layout.artifact(task.window.label, task.role)) as folder:
            for name, content in read.items():
                (folder / name).write_bytes(content)
    return Result(result["metrics"], key=f"{task.run_id}-{task.window.label}" if read else None)


def artifact_files(folder: Path) -> dict[str, bytes]:
    """Map the name of each file of an artifact to its content."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def task_of(run_id: str, window: Window, role: Role = Role.TEACHER) -> WindowTask:
    """The task of one window."""
    seed = 2 * window["milliseconds"] + window["busy"]
    return WindowTask(
        run_id=run_id,
        role=role,
        window=PlannedWindow.model_validate({"window": window["window"]}).window,
        settings=TrainingSettings.model_validate(window["settings"] | {"seed": seed}),
        bars=window["bars"],
    )
