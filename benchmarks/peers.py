"""Compares Gurukul with its alternatives on the same windows: joblib, Dask, Ray and a plain Celery group.

    python -m benchmarks.peers [--rounds 3] [--only joblib,ray] [--milliseconds 0,10,100] [--busy]

Each fleet has two worker processes with one slot on this host and returns every window's result to the driver; its
start is not timed. A window sleeps for its milliseconds, so that the loss against the ceiling is the cost of dispatch
alone, although driver, broker and workers share the cores. With `--busy` a window uses the CPU instead, as on a host
without a free core. Needs the extra [bench].
"""

import argparse
import logging
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.gurukul import dispatch, fleet
from benchmarks.work import Window, make_windows, work
from orchestrator.broker import embedded

Run = Callable[[list[Window]], float]
Runner = Callable[[], AbstractContextManager[Run]]

SLOTS = 2
MEASURE_S = 5.0
MOST_WINDOWS = 2000
WARM_WINDOWS = 200
WARM_MS = 10
LIMIT_S = 120.0


@contextmanager
def joblib_runner() -> Iterator[Run]:
    """joblib's loky processes, with its automatic batches."""
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    try:
        with Parallel(n_jobs=SLOTS, backend="loky") as parallel:
            yield timed(lambda windows: parallel(delayed(work)(window) for window in windows))
    finally:
        # joblib keeps its workers for the next Parallel.
        get_reusable_executor(reuse=True).shutdown(wait=True)


@contextmanager
def dask_runner() -> Iterator[Run]:
    """dask.distributed's local cluster of processes."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=SLOTS, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield timed(lambda windows: client.gather(client.map(work, windows, pure=False)))


@contextmanager
def ray_runner() -> Iterator[Run]:
    """A local Ray instance, one task per window."""
    # Ray reads these on import: no usage reports, and listen on loopback only, as on macOS.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    import ray

    ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        remote = ray.remote(work)
        yield timed(lambda windows: ray.get([remote.remote(window) for window in windows]))
    finally:
        ray.shutdown()


@contextmanager
def celery_runner() -> Iterator[Run]:
    """A Celery group on one shared queue, results in Redis, one worker with two prefork children."""
    from celery import Celery, group

    from benchmarks.celery_app import TASK

    with embedded.server() as url:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "benchmarks.celery_app", "--quiet", "worker",
             "--concurrency", str(SLOTS)],
            env=os.environ | {"CELERY_BROKER_URL": url, "CELERY_RESULT_BACKEND": url},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with Celery("benchmarks", broker=url, backend=url) as app:
                task = app.signature(TASK)
                yield timed(
                    lambda windows: group(task.clone((window,)) for window in windows).apply_async().get(LIMIT_S)
                )
        finally:
            worker.terminate()
            worker.wait()


@contextmanager
def gurukul_runner() -> Iterator[Run]:
    """Two pinned workers behind a run's dispatcher, with ledger, claims and telemetry."""
    with fleet(SLOTS) as url, tempfile.TemporaryDirectory() as folder:
        yield timed(lambda windows: dispatch(url, windows, Path(folder)))


RUNNERS: dict[str, Runner] = {
    "gurukul": gurukul_runner,
    "joblib": joblib_runner,
    "dask": dask_runner,
    "ray": ray_runner,
    "celery": celery_runner,
}


def timed(collect: Callable[[list[Window]], Sequence[dict[str, Any]]]) -> Run:
    """Wrap `collect` as a Run: seconds until every window's result has arrived. RuntimeError if one is missing."""

    def run(windows: list[Window]) -> float:
        begun = time.perf_counter()
        results = collect(windows)
        seconds = time.perf_counter() - begun
        if [result["name"] for result in results] != [window["name"] for window in windows]:
            raise RuntimeError(f"{len(windows)} windows were sent, but the {len(results)} results are not theirs")
        return seconds

    return run


def measure(run: Run, windows: list[Window]) -> float:
    """Return windows per second, over as many whole passes as fill `MEASURE_S`."""
    passes, seconds = 0, 0.0
    while seconds < MEASURE_S:
        passes, seconds = passes + 1, seconds + run(windows)
    return passes * len(windows) / seconds


def window_count(milliseconds: int) -> int:
    """Windows that fill all slots for `MEASURE_S`, `MOST_WINDOWS` at most."""
    return min(MOST_WINDOWS, int(SLOTS * MEASURE_S * 1000 / max(milliseconds, 1)))


Rates = dict[tuple[str, int], list[float]]


def compare(names: list[str], durations_ms: list[int], rounds: int, *, busy: bool) -> Rates:
    """Rates of each runner at each duration; rounds are interleaved, one fleet alive at a time."""
    rates: Rates = {(name, duration): [] for name in names for duration in durations_ms}
    for number in range(1, rounds + 1):
        for name in names:
            with RUNNERS[name]() as run:
                run(make_windows(WARM_WINDOWS, WARM_MS, busy=False))
                for duration in durations_ms:
                    rate = measure(run, make_windows(window_count(duration), duration, busy=busy))
                    rates[name, duration].append(rate)
                    print(f"round {number}/{rounds} {name} {duration} ms: {rate:,.1f} per second", file=sys.stderr)
    return rates


def table(rates: Rates, *, busy: bool) -> str:
    """Format as Markdown: each median rate (minimum to maximum), and its ratio to the best median of the column."""
    names = list(dict.fromkeys(name for name, _ in rates))
    durations = list(dict.fromkeys(duration for _, duration in rates))
    best = {duration: max(statistics.median(rates[name, duration]) for name in names) for duration in durations}
    lines = [
        "| windows per second | "
        + " | ".join(f"{_heading(duration, busy)} | of best" for duration in durations)
        + " |",
        "|---|" + "--:|--:|" * len(durations),
    ]
    for name in names:
        cells = [f"{name} {version('distributed' if name == 'dask' else name)}"]
        for duration in durations:
            median = statistics.median(rates[name, duration])
            cells += [_spread(rates[name, duration], median), f"{median / best[duration]:.2g}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _heading(duration_ms: int, busy: bool) -> str:
    if not duration_ms:
        return "0 ms"
    return f"{duration_ms} ms {'busy' if busy else 'asleep'} (at most {SLOTS * 1000 / duration_ms:g})"


def _spread(rates: list[float], median: float) -> str:
    digits = 0 if median >= 100 else 1
    return f"{median:,.{digits}f} ({min(rates):,.{digits}f} to {max(rates):,.{digits}f})"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description="Compare fleets on the same windows.")
    parser.add_argument(
        "--rounds", type=int, default=3, help="measurements per runner and duration; the median is printed"
    )
    parser.add_argument("--only", default=",".join(RUNNERS), help="runners, comma separated")
    parser.add_argument("--milliseconds", default="0,10,100", help="durations of a window, comma separated")
    parser.add_argument("--busy", action="store_true", help="windows burn CPU instead of sleeping")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - set(RUNNERS):
        parser.error(f"no runner is named {', '.join(sorted(unknown))}; there are {', '.join(RUNNERS)}")
    durations_ms = [int(duration) for duration in options.milliseconds.split(",")]
    print(f"load before the start: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        # Temporary files of a peer and its processes are deleted with this folder.
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        print(table(compare(names, durations_ms, options.rounds, busy=options.busy), busy=options.busy))


if __name__ == "__main__":
    main()
