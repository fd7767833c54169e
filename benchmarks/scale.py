"""Measures what a large fleet costs the orchestrator: played devices on a real server, real ledger, claims and events.

    python -m benchmarks.scale [--devices 64] [--slots 2] [--windows 50000]     # windows without work, to their end
    python -m benchmarks.scale --devices 1000 --slots 8 --windows 9000 --hold   # windows that never end, for 20 s
    python -m benchmarks.scale --windows 2000 --round-trip-ms 200               # an orchestrator far from the broker

One process plays all devices: it takes from their queues, claims, reports and sends heartbeats. Prints a table of
the CPU seconds of the orchestrator's process, its memory, and what is left in the server.
"""

import argparse
import base64
import io
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from redis import Redis
from rich.console import Console

from benchmarks.dispatch import Memory
from benchmarks.gurukul import task_of
from benchmarks.latency import far
from benchmarks.work import make_windows
from orchestrator.broker import embedded
from orchestrator.dispatch.broker_fleet import BrokerFleet, clear
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.work import Item
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.live_view import LiveView
from schemas.contract.device import Device, DeviceKind
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.folders import Folders
from schemas.contract.presence import PRESENCE_EXPIRY_S, PRESENCE_INTERVAL_S, Presence
from schemas.contract.task import Outcome, Role, Status
from schemas.contract.versions import artifact_versions
from schemas.redis.attempts import report
from schemas.redis.client import connect
from schemas.redis.events import emission
from schemas.redis.keys import attempts_key, work_field
from schemas.redis.presences import beating
from schemas.redis.script import CLAIM, send

RUN, DATA_DIR, HELD_S = "scale", "/played", 20.0
METRICS = {"rows": 118, "accuracy": 0.5512, "scored_log_loss": 0.6843, "scored_prior_log_loss": 0.6931}


@dataclass
class Played:
    """A device: the ids that it runs, by the work's name."""

    name: str
    slots: int
    running: dict[str, str] = field(default_factory=dict)

    def presence(self, since: datetime) -> Presence:
        """Its heartbeat."""
        running = tuple(self.running.values())
        return Presence(
            device=Device(name=self.name, kind=DeviceKind.CPU, slots=self.slots), host="played", pid=1, since=since,
            beats=time.monotonic_ns(), versions=artifact_versions(), held=running, running=running,
            folders=Folders(data_dir=DATA_DIR),
        )  # fmt: skip


def play(url: str, devices: int, slots: int, hold: bool) -> None:
    """Play the devices until the process is ended."""
    played, since, beaten = [Played(f"cpu{n}@played", slots) for n in range(devices)], datetime.now(UTC), 0.0
    with connect(url) as redis:
        while True:
            if time.monotonic() - beaten > PRESENCE_INTERVAL_S:
                with redis.pipeline(transaction=False) as pipe:
                    for each in played:
                        send(pipe, beating(each.presence(since), PRESENCE_EXPIRY_S))
                    pipe.execute()
                beaten = time.monotonic()
            if not _work(redis, played, hold):
                time.sleep(0.02)


def _work(redis: Redis, played: list[Played], hold: bool) -> int:
    """Take, claim and, unless they `hold` it, report what waits for the devices with free slots; returns how much."""
    free = [each for each in played if len(each.running) < each.slots]
    with redis.pipeline(transaction=False) as pipe:
        for each in free:
            pipe.rpop(each.name, each.slots - len(each.running))
        taken = [(each, body) for each, bodies in zip(free, pipe.execute(), strict=True) for body in bodies or ()]
    tasks = [(each, json.loads(base64.b64decode(json.loads(body)["body"]))[1]["message"]) for each, body in taken]
    with redis.pipeline(transaction=False) as pipe:
        for each, task in tasks:
            name = _name(task)
            keys, event = emission(RUN, _start(task, each.name))
            CLAIM.run(pipe, [attempts_key(RUN), *keys],
                      [work_field(task["role"], name), task["attempt"], f"{each.name} 1", *event])  # fmt: skip
            if hold:
                each.running[name] = f"{RUN}/{task['role']}/{name}/{task['attempt']}"
            else:
                report(pipe, RUN, _outcome(task, each.name))
        pipe.execute()
    return len(tasks)


def _name(task: dict[str, Any]) -> str:
    window = task["window"]
    return f"{window['symbol']}_{window['start']}_to_{window['end']}"


def _start(task: dict[str, Any], device: str) -> TrainingEvent:
    return TrainingEvent(
        run_id=RUN, event_type=EventType(f"{task['role']}_window_start"), symbol=task["window"]["symbol"],
        window_label=_name(task), status=EventStatus.IN_PROGRESS, device=device, attempt=task["attempt"],
    )  # fmt: skip


def _outcome(task: dict[str, Any], device: str) -> str:
    return Outcome(
        run_id=RUN, role=Role(task["role"]), name=_name(task), attempt=task["attempt"], began=task["began"],
        device=device, status=Status.SUCCESS, duration_seconds=0.01, metrics=METRICS,
    ).model_dump_json()  # fmt: skip


class Over(Exception):
    """The time for which windows are held is over."""


def run(url: str, windows: int, folder: Path, tend: Callable[[], None]) -> dict[str, float]:
    """Send the windows through a run's dispatcher; returns CPU and wall seconds of the dispatch alone."""
    items = [Item(task_of(RUN, window)) for window in make_windows(windows, 0, busy=False)]
    live_view = LiveView(Console(file=io.StringIO()), RUN)
    with (
        closing(Ledger.create(folder / "ledger.db")) as ledger,
        connect(url) as redis,
        Emitter(redis, RUN, folder / "events.jsonl", live_view.take) as telemetry,
        closing(CeleryClient(url)) as client,
    ):

        def on_end(outcome: Outcome) -> tuple[()]:
            telemetry.emit(
                EventType.TEACHER_WINDOW_SUCCESS, EventStatus.SUCCESS, symbol=outcome.name.split("_")[0],
                window_label=outcome.name, metrics=outcome.metrics, device=outcome.device, attempt=outcome.attempt,
            )  # fmt: skip
            return ()

        ledger.add(Role.TEACHER, [item.key[1] for item in items])
        dispatcher = Dispatcher(
            RUN, Needs.of(DATA_DIR), BrokerFleet(RUN, redis, client), ledger, telemetry, live_view, tend
        )
        began, cpu = time.perf_counter(), time.process_time()
        with suppress(Over):
            dispatcher.run(items, on_end)
        took = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        clear(redis, RUN, ledger.devices(), linger_s=0)
    return took


def held(seconds: float) -> tuple[Callable[[], None], dict[str, float]]:
    """A `tend` that ends the run so many seconds after its tenth look, and what it measured from there."""
    looks, measured = [0], dict[str, float]()

    def tend() -> None:
        looks[0] += 1
        if looks[0] == 10:
            measured.update(wall=time.perf_counter(), cpu=time.process_time())
        elif looks[0] > 10 and time.perf_counter() - measured["wall"] > seconds:
            measured.update(wall=time.perf_counter() - measured["wall"], cpu=time.process_time() - measured["cpu"])
            raise Over

    return tend, measured


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description="Measure the cost of a large fleet.")
    parser.add_argument("--devices", type=int, default=64)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--windows", type=int, default=50_000)
    parser.add_argument("--hold", action="store_true", help=f"windows never end; measured for {HELD_S:.0f} s")
    parser.add_argument("--round-trip-ms", type=float, default=0.0, help="from the orchestrator to the broker")
    options = parser.parse_args()
    tend, measured = held(HELD_S) if options.hold else (lambda: None, {})
    with tempfile.TemporaryDirectory(prefix="scale-") as name, embedded.server() as url, connect(url) as redis:
        player = multiprocessing.get_context("spawn").Process(
            target=play, args=(url, options.devices, options.slots, options.hold), daemon=True
        )
        player.start()
        try:
            away = far(url, options.round_trip_ms / 1000) if options.round_trip_ms else nullcontext(url)
            with Memory() as memory, away as reached:
                took = run(reached, options.windows, Path(name), tend)
            server = psutil.Process(redis.info("server")["process_id"]).cpu_times()
            playing = psutil.Process(player.pid).cpu_times()
        finally:
            player.kill()
            player.join()
        left = sorted(key.decode() for key in redis.keys("*"))
    _show(options, took, measured, memory.samples, server.user + server.system, playing.user + playing.system, left)


def _show(
    options: argparse.Namespace, took: dict[str, float], measured: dict[str, float], samples: list[float],
    server_s: float, player_s: float, left: list[str],
) -> None:  # fmt: skip
    rows = []
    if options.hold:
        share = measured["cpu"] / measured["wall"]
        rows.append(("CPU of the orchestrator while nothing ends", f"{share:.3f} of a core"))
        rows.append(("CPU until then", f"{took['cpu'] - measured['cpu']:.1f} s"))
    else:
        rows.append(("windows per second", f"{options.windows / took['wall']:,.0f}"))
        rows.append(("CPU of the orchestrator per window", f"{1000 * took['cpu'] / options.windows:.3f} ms"))
        tenth = samples[len(samples) // 10]
        rows.append(("memory after a tenth, at the end", f"{tenth:.0f}, {samples[-1]:.0f} MiB"))
    rows.append(("CPU of the server, of the player", f"{server_s:.1f}, {player_s:.1f} s"))
    rows.append(("keys left", f"{len(left)}: {', '.join(left[:6])}"))
    title = f"{options.devices} devices x {options.slots}, {options.windows:,} windows"
    print(f"| {title} | measured |\n|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
