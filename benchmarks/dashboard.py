"""Measures the dashboard's page of a run with many windows, while more arrive.

python -m benchmarks.dashboard [WINDOWS]

Needs Chromium. Prints the time of the first page, the CPU time and bytes of an update, and a browser's frames.
"""

import json
import shutil
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from playwright.sync_api import sync_playwright
from redis import Redis

from orchestrator.broker import embedded
from orchestrator.dashboard import progress
from orchestrator.dashboard.application import application
from orchestrator.dashboard.settings import Settings
from orchestrator.dashboard.watched import watched
from schemas.contract.event import EventStatus, EventType, TrainingEvent
from schemas.contract.run import Phase
from schemas.redis.client import connect
from schemas.redis.events import emit

RUN, PORT = "bench", 8599
SYMBOLS = 100
PER_SECOND, LASTS_S, UPDATES = 290, 20.0, 9


def ended(number: int) -> TrainingEvent:
    """The end of a student's window."""
    symbol, place = f"S{number % SYMBOLS:03}", number // SYMBOLS
    start = f"{1800 + place // 12}-{place % 12 + 1:02}-01"
    metrics = {"scored_log_loss": 0.6 + (number % 7) / 100, "scored_prior_log_loss": 0.63}
    return TrainingEvent(
        run_id=RUN, event_type=EventType.STUDENT_WINDOW_SUCCESS, phase=Phase.STUDENT_TRAINING, symbol=symbol,
        window_label=f"{symbol}_{start}_to_{start}", status=EventStatus.SUCCESS, device=f"gpu{number % 8}@bench",
        attempt=1, duration_seconds=0.3, metrics=metrics,
    )  # fmt: skip


def begin(redis: Redis, windows: int) -> None:
    """Emit a run that has trained all of these windows and goes on."""
    start = TrainingEvent(run_id=RUN, event_type=EventType.RUN_START, status=EventStatus.IN_PROGRESS)
    phase = TrainingEvent(
        run_id=RUN, event_type=EventType.PHASE_START, phase=Phase.STUDENT_TRAINING, status=EventStatus.IN_PROGRESS,
        metrics={"planned": 2 * windows},
    )  # fmt: skip
    for event in (start, phase, *map(ended, range(windows))):
        emit(redis, event)


def train_more(redis: Redis, first: int, until: threading.Event) -> None:
    """Emit ends of windows at a steady rate."""
    began, sent = time.monotonic(), 0
    while not until.wait(0.01):
        while sent < (time.monotonic() - began) * PER_SECOND:
            emit(redis, ended(first + sent))
            sent += 1


def frames_ms(address: str) -> tuple[float, list[float]]:
    """Seconds until the page's grid is drawn, and the milliseconds between frames while it is updated."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        page = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]).new_page()
        began = time.perf_counter()
        page.goto(address)
        page.locator("#grid").wait_for()
        shown_s = time.perf_counter() - began
        between = page.evaluate(
            """ms => new Promise(done => {
                const found = [], began = performance.now(); let last = began;
                const frame = now => {
                    found.push(now - last); last = now;
                    if (now - began < ms) requestAnimationFrame(frame); else done(found);
                };
                requestAnimationFrame(frame);
            })""",
            1e3 * LASTS_S,
        )
    return shown_s, sorted(between)


def main(windows: int) -> None:
    """Measure and print one line per figure."""
    with ExitStack() as stack:
        url = stack.enter_context(embedded.server())
        embedded.wait(url)
        redis = stack.enter_context(connect(url))
        begin(redis, windows)
        folder = stack.enter_context(TemporaryDirectory())
        here = Settings(str(Path(folder, "data")), str(Path(folder, "release")), url)
        server = uvicorn.Server(uvicorn.Config(application(here), port=PORT, log_level="error"))
        threading.Thread(target=server.run, daemon=True).start()
        address = f"http://127.0.0.1:{PORT}/runs/{RUN}"
        while not server.started:
            time.sleep(0.01)
        for name in ("first page, which folds all events", "the same page again"):
            began = time.perf_counter()
            size = len(urllib.request.urlopen(address).read())
            print(f"{name}: {time.perf_counter() - began:.2f} s, {size / 1e3:.0f} kB")
        stop = threading.Event()
        trains = threading.Thread(target=train_more, args=(redis, windows, stop))
        trains.start()
        stack.callback(trains.join)
        stack.callback(stop.set)
        shown_s, between = frames_ms(address)
        print(f"until a browser shows the grid: {shown_s:.2f} s")
        middle, late, last = (between[int(share * (len(between) - 1))] for share in (0.5, 0.95, 0.99))
        print(f"frames while {PER_SECOND} windows per second end: {middle:.0f} ms, 95 % {late:.0f}, 99 % {last:.0f}")
        followed = watched(RUN, "1970-01-01T00:00:00+00:00", here.data_dir, url)
        spent_s, size = 0.0, 0
        before = progress.parts(followed)
        for _ in range(UPDATES):
            time.sleep(progress.EVERY_S)
            began = time.process_time()
            after = progress.parts(followed)
            spent_s += time.process_time() - began
            size += len(json.dumps({name: text for name, text in after.items() if before.get(name) != text}))
            before = after
        print(f"an update: {1e3 * spent_s / UPDATES:.0f} ms of CPU, {size / UPDATES / 1e3:.0f} kB (mean of {UPDATES})")
        server.should_exit = True


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
