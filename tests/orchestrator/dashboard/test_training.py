"""Page Training Progress in a real browser, for real runs: live, broken off and finished."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from schemas.redis.presences import read_presences
from tests.conftest import Finished, clean_environment, orchestrator
from tests.orchestrator.dashboard.conftest import SCREENS, Seen
from tests.waiting import wait_for

Look = Callable[[str], Seen]
Dashboard = Callable[..., str]
LONG = ("--start-date", "2023-06-01", "--end-date", "2024-09-30", "--window-days", "120", "--step-days", "60")


@contextmanager
def started(cwd: Path, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of the project; stop it at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", program, *arguments], cwd=cwd, env=clean_environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(60)


def tile(page: Page, name: str) -> str:
    """Text of a tile, such as `trained`; empty while the tile is missing."""
    metric = page.get_by_test_id("stMetric").filter(has=page.get_by_text(name, exact=True))
    return metric.get_by_test_id("stMetricValue").inner_text() if metric.count() == 1 else ""


def test_a_run_is_seen_as_it_goes_on(
    redis: Redis, server: str, bars: Path, tmp_path: Path, dashboard: Dashboard, look: Look
) -> None:
    """Windows appear one after another on two devices; a killed device is shown as lost; a reload shows the same.

    At the end the page counts what the ledger counts.
    """
    url = dashboard(tmp_path, "--broker", server)
    seen = look(url)  # before the run, as the first page takes seconds
    workers = ("workers", "start", "--devices", "cpu:2x1", "--broker", server, "--source-dir", str(bars))
    with started(tmp_path, *workers) as fleet:
        wait_for(lambda: len(read_presences(redis)) == 2, "two devices")
        request = ("--source", f"csv:{bars}", *LONG, "--broker", server, "--no-local-workers", "--run-id", "live")
        with started(tmp_path, "orchestrator", "run", *request) as run:
            wait_for(lambda: (tmp_path / "data" / "models" / "live" / "ledger.db").is_file(), "the run")
            page = seen.page
            page.goto(f"{url}/?run=live")
            counts: set[int] = set()

            def trained() -> int:
                """Largest number of trained windows that the page has shown."""
                found = re.fullmatch(r"(\d+) of \d+", tile(page, "trained"))
                counts.add(int(found[1]) if found else 0)
                return max(counts)

            wait_for(lambda: trained() >= 3, "three windows on the page")
            fleet.send_signal(signal.SIGSTOP)  # it would start another worker at once
            psutil.Process(read_presences(redis)["cpu0@" + next(iter(read_presences(redis))).split("@")[1]].pid).kill()
            lost = page.locator("tr", has_text="cpu0@").filter(has_text="lost")
            expect(lost.first).to_be_visible(timeout=30_000)
            before = trained()
            page.reload()
            wait_for(lambda: tile(page, "trained") and trained() >= before, "as much after a reload")
            fleet.send_signal(signal.SIGCONT)
            wait_for(lambda: trained() >= 0 and run.poll() is not None, "the end of the run", within_s=240)
            assert run.returncode == 0
            expect(page.get_by_text("ready-for-review").first).to_be_visible(timeout=30_000)
    assert len(counts) >= 3, f"the page was seen to grow: {sorted(counts)}"
    summary = json.loads(orchestrator("status", "live", "--json", cwd=tmp_path).stdout)
    students = summary["windows"]["student"]
    expect(page.get_by_test_id("stMain")).to_contain_text(f"{students['success']} trained")
    assert tile(page, "trained") == f"{students['success']} of {students['planned']}"
    assert tile(page, "failed") == str(students["failed"])
    assert seen.complaints == []


@pytest.fixture(scope="module")
def place(two_device_run: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, and copies: one broken off in the middle, one that failed, one that only began."""
    cwd = tmp_path_factory.mktemp("looked_at_training")
    for name in ("data", "release", "logs"):
        shutil.copytree(two_device_run.cwd / name, cwd / name)
    for name, status, share in (
        ("broken_off", "running", 0.5),
        ("broken_down", "failed", 0.6),
        ("begun", "running", 0.0),
    ):
        copy_run(cwd, name, status, share)
    return cwd


def copy_run(cwd: Path, name: str, status: str, share: float) -> None:
    """A copy of the finished run that ends at an earlier point."""
    folder = cwd / "data" / "models" / name
    shutil.copytree(cwd / "data" / "models" / "generated", folder)
    manifest = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(manifest | {"run_id": name}))
    with closing(sqlite3.connect(folder / "ledger.db")) as db, db:
        db.execute("UPDATE run SET value = ? WHERE key = 'status'", (status,))
    logs = cwd / "data" / "analytics" / "training"
    lines = (logs / "training_run_generated.jsonl").read_text().replace('"run_id":"generated"', f'"run_id":"{name}"')
    kept = lines.splitlines(keepends=True)[: 1 + int(share * lines.count("\n"))]
    if status == "failed":
        end = json.loads(lines.splitlines()[-1]) | {"seq": len(kept) + 1, "status": "failed", "message": "disk full"}
        kept.append(json.dumps(end | {"metrics": {"status": "failed"}}) + "\n")
    (logs / f"training_run_{name}.jsonl").write_text("".join(kept))


@pytest.fixture(scope="module")
def url(place: Path, dashboard: Dashboard) -> str:
    """A dashboard of that folder, without a broker."""
    return dashboard(place)


def test_a_finished_run_fits_and_reports_no_error(url: str, look: Look) -> None:
    """Light and dark, on a desktop and on a phone: no console error, no exception, no horizontal scrolling."""
    seen = look(f"{url}/?run=generated")
    expect(seen.page.get_by_role("heading", name="Events")).to_be_visible()
    for scheme, width in SCREENS:
        seen.resize(scheme, width)
        assert seen.page.get_by_test_id("stException").count() == 0
        assert seen.overflow_px <= 0, (scheme, width)
    assert seen.complaints == []


def test_a_finished_run_counts_as_its_ledger(url: str, look: Look, two_device_run: Finished) -> None:
    """Tiles and legend show the numbers of the run's summary."""
    page = look(f"{url}/?run=generated").page
    students = two_device_run.summary["windows"]["student"]
    wait_for(lambda: tile(page, "trained") == f"{students['success']} of {students['planned']}", "the count")
    assert tile(page, "skipped") == str(students["skipped"])
    assert tile(page, "status") == "ready-for-review"


@pytest.mark.parametrize(
    ("run", "status", "text"),
    [
        ("broken_off", "interrupted", "orchestrator resume broken_off"),
        ("broken_down", "failed", "failed: disk full"),
        ("begun", "interrupted", "orchestrator resume begun"),
    ],
)
def test_a_run_without_success_is_explained(url: str, look: Look, run: str, status: str, text: str) -> None:
    """A run that was interrupted, failed or only began is named, with the reason or the next step, and no error."""
    seen = look(f"{url}/?run={run}")
    wait_for(lambda: tile(seen.page, "status") == status, f"that it is {status}")
    expect(seen.page.get_by_test_id("stMain")).to_contain_text(text)
    assert seen.page.get_by_test_id("stException").count() == 0
    assert seen.complaints == []


def test_a_click_shows_a_window_and_its_log(url: str, look: Look) -> None:
    """A click on a square of the grid shows the metrics of that window's teacher and student, and its log lines."""
    page = look(f"{url}/?run=generated").page
    grid = page.get_by_test_id("stVegaLiteChart").first.locator("canvas, svg").first
    expect(grid).to_be_visible()
    width = grid.evaluate("element => element.getBoundingClientRect().width")
    grid.click(position={"x": width * 0.4, "y": 10})
    expect(page.get_by_role("button", name="Close")).to_be_visible()
    expect(page.get_by_test_id("stMain")).to_contain_text(
        re.compile(r"BAJAJ-AUTO_\d{4}-\d\d-\d\d_to_\d{4}-\d\d-\d\d: ")
    )
    expect(page.get_by_test_id("stCode").first).to_contain_text("BAJAJ-AUTO_")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Close")).to_have_count(0)


def test_a_log_that_is_played_again_is_seen(
    redis: Redis, server: str, two_device_run: Finished, tmp_path: Path, dashboard: Dashboard, look: Look
) -> None:
    """A run without files here, known only to a broker, has a page like any other, within seconds."""
    log = two_device_run.cwd / two_device_run.summary["paths"]["telemetry"]
    url = dashboard(tmp_path, "--broker", server)
    played = orchestrator(
        "telemetry", "play", str(log), "--speed", "0", "--broker", server, "--run-id", "again", cwd=tmp_path
    )
    assert played.returncode == 0, played.stderr
    seen = look(f"{url}/?run=again")
    students = two_device_run.summary["windows"]["student"]
    wait_for(lambda: tile(seen.page, "trained") == f"{students['success']} of {students['planned']}", "the count")
    expect(seen.page.get_by_role("combobox").first).to_have_value(re.compile("again .* known only to the broker"))
    assert seen.complaints == []
