"""Fixtures of the dashboard's tests: the real command, a real Chromium, and the errors that a page reported."""

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import clean_environment
from tests.ports import free_port
from tests.waiting import wait_for

Scheme = Literal["light", "dark"]

DESKTOP_PX, PHONE_PX, HEIGHT_PX = 1440, 390, 900
SCREENS: list[tuple[Scheme, int]] = [
    ("light", DESKTOP_PX), ("dark", DESKTOP_PX), ("dark", PHONE_PX), ("light", PHONE_PX),
]  # fmt: skip
SHOWN_MS = 30_000
# Opened at a page's own address, Streamlit's client first asks below that address whether the server is there.
ASKED_AT_A_GUESS = ("/_stcore/health", "/_stcore/host-config")

expect.set_options(timeout=SHOWN_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[BrowserContext]:
    """The installed Chromium with one profile, so that it loads Streamlit's scripts once.

    Without a browser the test is skipped, but fails in CI.
    """
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        reason = "no chromium or google-chrome on PATH; on Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--headless=new"])
        yield launched.new_context()
        launched.close()


@contextmanager
def serving(cwd: Path, *flags: str, **variables: str) -> Iterator[str]:
    """Run `orchestrator dashboard` in a folder; yields its address, and stops it at the end."""
    port = free_port()
    with (cwd / f"dashboard-{port}.log").open("w+b") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", "dashboard", "--port", str(port), *flags],
            cwd=cwd,
            env=clean_environment() | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: process.poll() is not None or answers(url), "the dashboard")
            if process.poll() is not None:
                log.seek(0)
                pytest.fail(f"the dashboard ended with {process.returncode}: {log.read().decode()}")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                # Seen once in twenty runs of all tests, with a page still open: Streamlit waits for its script.
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def dashboard() -> Iterator[Callable[..., str]]:
    """Start `orchestrator dashboard` in a folder, with flags and variables; all are stopped after the file's tests."""
    with ExitStack() as stack:
        yield lambda cwd, *flags, **variables: stack.enter_context(serving(cwd, *flags, **variables))


@dataclass
class Seen:
    """A page, and the errors that it has reported since it was opened."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def resize(self, scheme: Scheme, width: int) -> None:
        """Show the page in a color scheme and at a width (pixels), as after a change of the user's screen."""
        self.page.emulate_media(color_scheme=scheme)
        self.page.set_viewport_size({"width": width, "height": HEIGHT_PX})
        dark = scheme == "dark"
        self.page.wait_for_function(
            """dark => {
                const color = getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor;
                const parts = color.match(/\\d+/g).slice(0, 3).map(Number);
                return (parts[0] + parts[1] + parts[2] < 150) === dark;
            }""",
            arg=dark,
            timeout=SHOWN_MS,
        )
        self.wait_until_drawn()

    def wait_until_drawn(self) -> None:
        """Wait until the page's script has run, and its charts are drawn."""
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=SHOWN_MS)
        self.page.wait_for_load_state("networkidle")
        for chart in self.page.get_by_test_id("stVegaLiteChart").all():
            expect(chart.locator("canvas, svg").first).to_be_visible()

    @property
    def overflow_px(self) -> int:
        """Pixels by which the page is wider than the window."""
        script = (
            "Math.max(document.documentElement.scrollWidth,"
            " document.querySelector('[data-testid=stMain]').scrollWidth) - window.innerWidth"
        )
        return int(self.page.evaluate(script))


@pytest.fixture
def look(browser: BrowserContext) -> Iterator[Callable[[str], Seen]]:
    """Open an address on a light desktop; the page has been drawn when it returns."""
    with ExitStack() as stack:

        def opened(url: str) -> Seen:
            page = browser.new_page()
            stack.callback(page.close)
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": DESKTOP_PX, "height": HEIGHT_PX})
            seen = Seen(page)
            seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
            seen.page.on("console", lambda message: _note(seen, message))
            seen.page.goto(url)
            seen.page.wait_for_selector("h1", timeout=SHOWN_MS)
            seen.wait_until_drawn()
            return seen

        yield opened


def _note(seen: Seen, message: ConsoleMessage) -> None:
    where = str(message.location.get("url", ""))
    if message.type == "error" and not where.endswith(ASKED_AT_A_GUESS):
        seen.complaints.append(f"{message.text} ({where})")


def answers(url: str) -> bool:
    """Whether the server reports that it is healthy."""
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
