"""Pages of runs that are still running, in a real browser."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Page, expect
from redis import Redis

from schemas.redis.presences import read_presences
from tests.conftest import Finished, clean_environment, command
from tests.orchestrator.dashboard.conftest import Seen
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
    found = page.locator(".tiles > div").filter(has=page.get_by_text(name, exact=True)).locator("dd").first
    return found.inner_text() if found.count() else ""


def test_a_run_is_seen_as_it_goes_on(
    redis: Redis, server: str, bars: Path, tmp_path: Path, dashboard: Dashboard, look: Look
) -> None:
    """Windows appear one after another on two devices; a killed device is shown as lost; a reload shows the same.

    The overview and the fleet show the run and its devices while it goes on. At the end the page counts what the ledger
    counts.
    """
    url = dashboard(tmp_path, "--broker", server)
    workers = ("workers", "start", "--devices", "cpu:2x1", "--broker", server, "--source-dir", str(bars))
    with started(tmp_path, *workers) as fleet:
        wait_for(lambda: len(read_presences(redis)) == 2, "two devices")
        request = ("--source", f"csv:{bars}", *LONG, "--broker", server, "--no-local-workers", "--run-id", "live")
        with started(tmp_path, "orchestrator", "run", *request) as run:
            wait_for(lambda: (tmp_path / "data" / "models" / "live" / "ledger.db").is_file(), "the run")
            home = look(f"{url}/")
            seen = look(f"{url}/runs/live")
            page = seen.page
            counts: set[int] = set()

            def trained() -> int:
                """Largest number of trained windows that the page has shown."""
                found = re.fullmatch(r"(\d+) of \d+", tile(page, "trained"))
                counts.add(int(found[1]) if found else 0)
                return max(counts)

            wait_for(lambda: trained() >= 3, "three windows on the page")
            expect(home.page.locator(".tiles").first).to_contain_text(re.compile(r"live: \d+ of \d+ windows"))
            expect(home.page.locator(".tiles").first).to_contain_text("2 devices")
            tables = look(f"{url}/fleet").page.locator("tbody")
            expect(tables.first.locator("tr")).to_have_count(2)
            expect(tables.last).to_contain_text("live")
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
    students = json.loads(command("status", "live", "--json", cwd=tmp_path).stdout)["windows"]["student"]
    expect(page.locator(".legend")).to_contain_text(f"{students['success']} trained")
    assert tile(page, "trained") == f"{students['success']} of {students['planned']}"
    assert tile(page, "failed") == str(students["failed"])
    assert [*seen.complaints, *home.complaints] == []


def test_a_log_that_is_played_again_is_seen(
    redis: Redis, server: str, two_device_run: Finished, tmp_path: Path, dashboard: Dashboard, look: Look
) -> None:
    """A run without files here, known only to a broker, is listed and has a page like any other."""
    log = two_device_run.cwd / two_device_run.summary["paths"]["telemetry"]
    url = dashboard(tmp_path, "--broker", server)
    played = command(
        "telemetry", "play", str(log), "--speed", "0", "--broker", server, "--run-id", "again", cwd=tmp_path
    )
    assert played.returncode == 0, played.stderr
    home = look(f"{url}/")
    expect(home.page.locator("#runs tbody tr")).to_contain_text("known only to the broker")
    seen = look(f"{url}/runs/again")
    students = two_device_run.summary["windows"]["student"]
    wait_for(lambda: tile(seen.page, "trained") == f"{students['success']} of {students['planned']}", "the count")
    for tab in ("results", "report", "logs", "trials"):
        assert look(f"{url}/runs/again/{tab}").page.get_by_role("heading", name="again").is_visible()
    assert [*seen.complaints, *home.complaints] == []


def test_a_server_that_goes_away_is_noticed(tmp_path: Path, look: Look) -> None:
    """While the server does not answer the page states that, and shows what was known."""
    from tests.orchestrator.dashboard.conftest import serving

    with serving(tmp_path) as url:
        seen = look(f"{url}/")
        expect(seen.page.get_by_role("heading", name="Overview")).to_be_visible()
        expect(seen.page.locator("#connection")).to_be_hidden()
    expect(seen.page.locator("#connection")).to_be_visible()
    expect(seen.page.get_by_role("heading", name="Overview")).to_be_visible()
