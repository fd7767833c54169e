"""Metrics for Prometheus, read at each scrape from the runs' ledgers and event logs and from the broker.

The exporter may be started and stopped at any time: no run and no worker depends on it.
"""

import itertools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.ledger.connection import stamp_of
from orchestrator.ledger.ledger_reader import (
    DURATION_BUCKETS_S,
    OUTCOMES,
    PENDING,
    EventLog,
    Snapshot,
    read_snapshot,
)
from schemas.contract.device import MIB
from schemas.contract.errors import GurukulError
from schemas.contract.presence import Presence
from schemas.contract.run import RunStatus
from schemas.contract.task import WINDOW_ROLES
from schemas.files.layout import RunLayout, telemetry_path
from schemas.files.run_files import read_manifest
from schemas.redis.dead_letters import Place, read_dead_letters
from schemas.redis.presences import read_presences
from schemas.redis.writes import trouble

logger = logging.getLogger(__name__)

SHOWN_S = 24 * 3600.0
# Seconds for which a device that left is reported as down.
REMEMBERED_S = 3600.0


@dataclass
class KnownRun:
    """A run as it was last read: the ledger is read again only when its files have changed."""

    snapshot: Snapshot
    seen: tuple[tuple[int, int], ...]
    events: EventLog | None = None
    located: bool = False


class Runs:
    """The runs under a data folder that are running, or ended within the last day."""

    def __init__(self, data_dir: str, clock: Callable[[], float] = time.time) -> None:
        self._data_dir, self._clock = data_dir, clock
        self._known: dict[str, KnownRun] = {}
        self.unreadable = 0

    def look(self) -> dict[str, KnownRun]:
        """Return the runs by id; runs that cannot be read are only counted."""
        self.unreadable, shown = 0, {}
        for path in sorted(Path(self._data_dir).glob("models/*/ledger.db")):
            run_id = path.parent.name
            if RunLayout(path.parent).parent_study is not None:
                continue
            try:
                run = self._read(run_id, path)
                written_s = max(at for at, _ in run.seen) / 1e9
                if run.snapshot.condition.status.is_active or self._clock() - written_s < SHOWN_S:
                    self._read_events(run_id, run, path)
                    shown[run_id] = run
            except (sqlite3.Error, GurukulError, OSError, ValueError, KeyError) as error:
                logger.warning("run %s cannot be read: %s", run_id, error)
                self.unreadable += 1
        return shown

    def _read(self, run_id: str, path: Path) -> KnownRun:
        seen = stamp_of(path)
        run = self._known.get(run_id)
        if run is None:
            run = self._known[run_id] = KnownRun(read_snapshot(path), seen)
        elif run.snapshot.condition.status.is_active or run.seen != seen:
            run.snapshot, run.seen = read_snapshot(path), seen
        return run

    def _read_events(self, run_id: str, run: KnownRun, path: Path) -> None:
        if not run.located:
            config = read_manifest(RunLayout(path.parent)).config
            run.events = EventLog(telemetry_path(config, run_id)) if config.telemetry else None
            run.located = True
        if run.events is not None:
            run.events.read_on()


class Devices:
    """The devices on a broker that are online, and those that were within the last hour."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis, self._clock = redis, clock
        self._last: dict[str, float] = {}

    def look(self) -> tuple[dict[str, Presence], dict[str, int]]:
        """Return the devices online, and the queue length of every known device; RedisError without a broker."""
        there, now = read_presences(self._redis), self._clock()
        self._last |= dict.fromkeys(there, now)
        self._last = {name: at for name, at in self._last.items() if now - at < REMEMBERED_S}
        with self._redis.pipeline(transaction=False) as pipe:
            for name in sorted(self._last):
                pipe.llen(name)
            lengths = pipe.execute(raise_on_error=False)
        # A key of another type is no queue; the device's worker removes it.
        counts = (length if isinstance(length, int) else 0 for length in lengths)
        return there, dict(zip(sorted(self._last), counts, strict=True))

    def dead_letters(self) -> dict[Place, int]:
        """How many dead letters there were, per kind of place."""
        return read_dead_letters(self._redis, last=0)[0]


class GurukulCollector(Collector):
    """All metrics of the project. `redis` None leaves out what only a broker knows."""

    def __init__(self, data_dir: str, redis: Redis | None) -> None:
        self._runs = Runs(data_dir)
        self._devices = Devices(redis) if redis is not None else None
        # Two scrapes may arrive at the same time.
        self._lock = threading.Lock()

    def describe(self) -> list[Metric]:
        """Return nothing; without this method a registry would scrape once to learn the metrics' names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read all metrics for one scrape."""
        with self._lock:
            found = [*self._of_runs(), *(self._of_broker(self._devices) if self._devices else ())]
        yield from found

    def _of_runs(self) -> Iterator[Metric]:
        runs = self._runs.look()
        yield _gauge("runs_unreadable", "Run folders whose ledger, manifest or event log cannot be read.").of(
            (), self._runs.unreadable
        )
        yield from _run_families({run_id: run.snapshot for run_id, run in runs.items()})
        events = _counter("events", "Events in the run's log.", "run_id")
        lost = _counter("events_lost", "Numbers that the run's event log lacks; must be 0.", "run_id")
        for run_id, run in runs.items():
            if run.events is not None and run.events.is_there:
                events.of((run_id,), run.events.count)
                lost.of((run_id,), run.events.lost)
        yield from (events, lost)

    def _of_broker(self, devices: Devices) -> Iterator[Metric]:
        up = _gauge("broker_up", "1 if the broker answered this scrape, else 0.")
        try:
            (there, queues), dead_letters = devices.look(), devices.dead_letters()
        except RedisError as error:
            logger.warning("the broker %s", trouble(error))
            yield up.of((), 0)
            return
        yield up.of((), 1)
        yield _gauge("fleet_devices", "Devices that are online.").of((), len(there))
        slots = sum(each.device.slots for each in there.values() if not each.draining)
        yield _gauge("fleet_slots_present", "Slots of all devices that are online and do not drain.").of((), slots)
        dead = _counter("dead_letters", "What could not be read on the broker and was set aside.", "place")
        for place in Place:
            dead.of((place,), dead_letters.get(place, 0))
        yield dead
        yield from _device_families(there, queues)


class _Gauge(GaugeMetricFamily):
    def of(self, labels: Sequence[str], value: float) -> "_Gauge":
        self.add_metric(labels, value)
        return self


class _Counter(CounterMetricFamily):
    def of(self, labels: Sequence[str], value: float) -> "_Counter":
        self.add_metric(labels, value)
        return self


def _gauge(name: str, text: str, *labels: str) -> _Gauge:
    return _Gauge(f"gurukul_{name}", text, labels=labels)


def _counter(name: str, text: str, *labels: str) -> _Counter:
    return _Counter(f"gurukul_{name}", text, labels=labels)


def _run_families(runs: dict[str, Snapshot]) -> Iterator[Metric]:
    status = _gauge("run_status", "1 for the status that the run has, 0 for the others.", "run_id", "status")
    died = _gauge("run_died", "1 if the run's process ended without recording an end, else 0.", "run_id")
    reason = _gauge(
        "run_reason", "1; its label is why the run waits, was stopped or failed.", "run_id", "status", "reason"
    )
    verdict = _gauge("run_recommendation", "1; its label is what the gates recommend.", "run_id", "recommendation")
    windows = _gauge("windows", "Windows of a role by how they ended.", "run_id", "role", "outcome")
    wanted = _gauge("run_slots_wanted", "Windows that could be trained at the same time, until the run ends.", "run_id")
    took = HistogramMetricFamily(
        "gurukul_work_duration_seconds", "Time that a piece of work took on its device.", labels=("run_id", "role")
    )
    failures = _counter("attempt_failures", "Failed attempts, also those tried again.", "run_id", "role", "failure")
    phases = _gauge("phase_duration_seconds", "Time that a phase took, or has taken so far.", "run_id", "phase")
    progress = _gauge(
        "last_progress_timestamp_seconds", "When work last ended or a phase last began, Unix time.", "run_id"
    )
    for run_id, run in runs.items():
        for each in RunStatus:
            status.of((run_id, each), each is run.condition.status)
        died.of((run_id,), run.condition.died)
        reason.of((run_id, run.condition.status, run.condition.reason), 1)
        if run.condition.verdict is not None:
            verdict.of((run_id, run.condition.verdict), 1)
        for trained, outcome in itertools.product(WINDOW_ROLES, OUTCOMES):
            windows.of((run_id, trained, outcome), run.work.get((trained, outcome), 0))
        if run.condition.status.is_active:
            # A window's student waits for its teacher, so the two want one slot.
            wanted.of((run_id,), max(run.work.get((trained, PENDING), 0) for trained in WINDOW_ROLES))
        for role, durations in run.durations.items():
            bounds = [*map(str, DURATION_BUCKETS_S), "+Inf"]
            buckets = list(zip(bounds, [*durations.buckets, durations.count], strict=True))
            took.add_metric((run_id, role), buckets, durations.sum_s)
        for (role, failure), count in run.failures.items():
            failures.of((run_id, role, failure), count)
        for name, phase in run.phases.items():
            if phase.ended is not None or run.condition.status.is_active:
                phases.of((run_id, name), (phase.ended or time.time()) - phase.started)
        if run.progress is not None:
            progress.of((run_id,), run.progress)
    yield from (status, died, reason, verdict, windows, wanted, took, failures, phases, progress)


def _device_families(there: dict[str, Presence], queues: dict[str, int]) -> Iterator[Metric]:
    up = _gauge("device_up", "1 while the device is online, 0 for an hour after.", "device")
    queued = _gauge("device_queue_depth", "Attempts in the device's queue.", "device")
    for name, length in queues.items():
        up.of((name,), name in there)
        queued.of((name,), length)
    slots = _gauge("device_slots", "Attempts that the device runs at a time.", "device")
    running = _gauge("device_running", "Attempts that it runs.", "device")
    done = _counter("device_attempts_done", "Attempts that its worker ended since it started.", "device")
    used = _gauge("device_utilisation_ratio", "Share of the device in use at its last heartbeat.", "device")
    memory = _gauge("device_memory_bytes", "Memory taken: a GPU's, or a worker's on CPU slots.", "device")
    total = _gauge("device_memory_total_bytes", "All memory of the GPU or, for CPU slots, of the host.", "device")
    for name, presence in there.items():
        slots.of((name,), presence.device.slots)
        running.of((name,), len(presence.running))
        done.of((name,), presence.done)
        for family, value, unit in (
            (used, presence.utilisation, 1),
            (memory, presence.memory_mib, MIB),
            (total, presence.memory_total_mib, MIB),
        ):
            if value is not None:
                family.of((name,), value * unit)
    yield from (up, queued, slots, running, done, used, memory, total)
    yield from _store_families(there)


def _store_families(there: dict[str, Presence]) -> Iterator[Metric]:
    """What each device that works through a store has moved since its worker started."""
    objects = _counter(
        "store_objects", "Objects by what its worker did: fetched, stored, kept a copy.", "device", "how"
    )
    moved = _counter("store_bytes", "Bytes that its worker fetched and stored.", "device", "how")
    errors = _counter("store_errors", "Requests that the store refused or did not answer.", "device")
    seconds = _counter("store_seconds", "Time that its worker waited for the store, of all requests.", "device")
    for name, presence in there.items():
        if (use := presence.store) is None:
            continue
        for how, count in (("fetched", use.fetched), ("stored", use.stored), ("kept", use.kept)):
            objects.of((name, how), count)
        for how, size in (("fetched", use.fetched_bytes), ("stored", use.stored_bytes)):
            moved.of((name, how), size)
        errors.of((name,), use.errors)
        seconds.of((name,), use.seconds)
    yield from (objects, moved, errors, seconds)
