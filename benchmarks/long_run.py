"""Plans, runs and reads one run of very many windows; played devices, all else real: memory, seconds and bytes.

    python -m benchmarks.long_run [--windows 1000000] [--symbols 100] [--devices 64] [--slots 8]

A window has a teacher and a student, so there are twice as many pieces of work; `--pieces` ends the run after so many.
One process plays the devices; see `benchmarks.scale`. Progress goes to standard error, the table to standard output.
"""

import argparse
import io
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
from redis import Redis
from rich.console import Console

from benchmarks.dispatch import MIB, coverage_of
from benchmarks.scale import DATA_DIR, RUN, Over, play
from orchestrator.broker import embedded
from orchestrator.dispatch.broker_fleet import BrokerFleet, clear
from orchestrator.dispatch.celery_client import CeleryClient
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.needs import Needs
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.export import planned_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.phases import training
from orchestrator.phases.phase_context import RunContext
from orchestrator.planning.windows import plan
from orchestrator.terminal.live_view import LiveView
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import CoverageTable
from schemas.contract.run import RunStatus
from schemas.contract.task import Role
from schemas.contract.versions import artifact_versions
from schemas.files.layout import RunLayout, telemetry_path
from schemas.files.run_files import write_manifest
from schemas.redis.client import connect

FIRST_DAY, WINDOW_DAYS = date(1990, 1, 1), 90
# Shares of the work at whose end memory is noted.
MARKS = (0.05, 0.25, 0.5, 0.75, 1.0)
# Runs the orchestrator, then prints its highest memory in KiB and its CPU seconds; getrusage includes the parent's.
MEASURED = """
import atexit, runpy, sys, time
peak = lambda: open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]
atexit.register(lambda: print(peak(), time.process_time(), file=sys.stderr))
runpy.run_module("orchestrator", run_name="__main__", alter_sys=True)
"""

Row = tuple[str, str]


def resident_mib() -> float:
    """Resident memory of this process."""
    return float(psutil.Process().memory_info().rss) / MIB


class Watch:
    """Notes memory and CPU at shares of the work; `tend` is called at each look at the fleet."""

    def __init__(self, redis: Redis, live_view: LiveView, player: psutil.Process, pieces: int, *, is_cut: bool) -> None:
        self._redis, self._live_view, self._player = redis, live_view, player
        self._pieces, self._is_cut = pieces, is_cut
        self._marks = list(MARKS)
        self.rows: list[Row] = []

    def tend(self) -> None:
        """Note memory and CPU if the next share of the work is done."""
        phases = self._live_view.state.phases.values()
        done = sum(each.done for each in phases)
        if done and not self.rows:
            self._note("when the first piece of work has ended")
        if self._marks and done >= self._marks[0] * self._pieces:
            self._marks = [mark for mark in self._marks if done < mark * self._pieces]
            self._note(f"after {done:,} pieces of work")
            if self._is_cut and not self._marks:
                raise Over

    def _note(self, when: str) -> None:
        server = float(self._redis.info("memory")["used_memory"]) / MIB
        others = f"server {server:.0f}, player {self._player.memory_info().rss / MIB:.0f}"
        self.rows.append((when, f"orchestrator {resident_mib():.0f} MiB, {others}; CPU {time.process_time():.0f} s"))
        print(self.rows[-1], file=sys.stderr, flush=True)


def planned(windows: int, symbols: int, data_dir: Path) -> RunManifest:
    """The manifest of a run of so many windows, one more per symbol and day."""
    names = tuple(f"SYMBOL{number:03}" for number in range(symbols))
    days = windows // symbols
    last = FIRST_DAY + timedelta(days=400 + days + WINDOW_DAYS)
    table = CoverageTable(symbols={name: coverage_of(name, FIRST_DAY, last + timedelta(days=60)) for name in names})
    config = RunConfig(
        symbols=names, start_date=FIRST_DAY + timedelta(days=400), end_date=last - timedelta(days=1),
        window_days=WINDOW_DAYS, step_days=1, data_dir=str(data_dir), telemetry_dir=str(data_dir / "telemetry"),
    )  # fmt: skip
    return RunManifest(
        run_id=RUN, created=datetime.now(UTC), config=config, devices=(), bars=table,
        plan=plan(config, table), versions=artifact_versions(),
    )  # fmt: skip


def run(url: str, manifest: RunManifest, layout: RunLayout, player: psutil.Process, pieces: int | None) -> list[Row]:
    """Train by the run's own training phases, to the end or `pieces`; returns what was noted on the way."""
    live_view = LiveView(Console(file=io.StringIO()), RUN)
    live_view.state.expect(each.window for each in planned_of(manifest, Role.STUDENT))
    with (
        closing(Ledger.create(layout.ledger)) as ledger,
        connect(url) as redis,
        Emitter(redis, RUN, telemetry_path(manifest.config, RUN), live_view.take) as telemetry,
        closing(CeleryClient(url)) as client,
    ):
        watch = Watch(redis, live_view, player, pieces or 2 * len(manifest.plan), is_cut=pieces is not None)
        dispatcher = Dispatcher(
            RUN, Needs.of(DATA_DIR), BrokerFleet(RUN, redis, client, began=manifest.created.isoformat()), ledger,
            telemetry, live_view, watch.tend,
        )  # fmt: skip
        with suppress(Over):
            training.run(RunContext(manifest, layout, ledger, dispatcher, telemetry, live_view))
            watch.tend()
        ledger.set(status=RunStatus.INTERRUPTED if pieces else RunStatus.READY)
        clear(redis, RUN, ledger.devices(), linger_s=0)
    return watch.rows


def timed(what: str, call: Callable[[], object]) -> Row:
    """Make a call; what it took, and the memory of this process afterwards."""
    began = time.process_time()
    call()
    row = (what, f"{time.process_time() - began:.1f} s of CPU, then {resident_mib():.0f} MiB")
    print(row, file=sys.stderr, flush=True)
    return row


def command(*words: str) -> Row:
    """Run a command of the orchestrator in a process of its own; its CPU seconds and its highest memory."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *words], capture_output=True, text=True)
    kib, seconds = done.stderr.split()[-2:]
    text = f"{float(seconds):.1f} s of CPU, {int(kib) / 1024:.0f} MiB at most"
    row = (f"`orchestrator {' '.join(words[:-2])}`", text + f", exit {done.returncode}" * bool(done.returncode))
    print(row, file=sys.stderr, flush=True)
    return row


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.long_run", description="Measure one run of many windows.")
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--devices", type=int, default=64)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--pieces", type=int, help="end the run after so many pieces of work")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="long-run-") as name, embedded.server() as url, connect(url) as redis:
        layout = RunLayout.under(name, RUN)
        layout.folder.mkdir(parents=True)
        found: list[RunManifest] = []
        rows.append(timed("plan", lambda: found.append(planned(options.windows, options.symbols, Path(name)))))
        rows.append(timed("write `run.json`", lambda: write_manifest(layout, found[0])))
        player = multiprocessing.get_context("spawn").Process(
            target=play, args=(url, options.devices, options.slots, False), daemon=True
        )
        player.start()
        began = time.perf_counter()
        try:
            rows += run(url, found[0], layout, psutil.Process(player.pid), options.pieces)
            playing = psutil.Process(player.pid).cpu_times()
            server = psutil.Process(redis.info("server")["process_id"]).cpu_times()
        finally:
            player.kill()
            player.join()
        text = f"{time.perf_counter() - began:.0f} s; CPU of the server {server.user + server.system:.0f} s"
        rows.append(("run", f"{text}, of the player {playing.user + playing.system:.0f} s"))
        stored = (layout.manifest, layout.ledger, telemetry_path(found[0].config, RUN), layout.rows(Role.STUDENT))
        for path in filter(Path.is_file, stored):
            rows.append((path.name, f"{path.stat().st_size / MIB:.0f} MiB"))
        for words in (("status", RUN), ("runs",), ("watch", RUN, "--once")):
            rows.append(command(*words, "--data-dir", name))
        rows.append(("keys left on the server", str(len(redis.keys("*")))))
    cut = f", of whose {2 * len(found[0].plan):,} pieces of work {options.pieces:,} run" if options.pieces else ""
    print(f"| {len(found[0].plan):,} windows{cut}, {options.devices} devices x {options.slots} | measured |\n|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
