"""Fixtures of the dashboard's tests: the application, the real command, a real Chromium, and what a page reports."""

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

expect.set_options(timeout=SHOWN_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[BrowserContext]:
    """The installed Chromium. Without a browser the test is skipped, but fails in CI."""
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
            process.wait(30)


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

    @property
    def overflow_px(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.fixture
def look(browser: BrowserContext) -> Iterator[Callable[[str], Seen]]:
    """Open an address on a light desktop."""
    with ExitStack() as stack:

        def opened(url: str) -> Seen:
            page = browser.new_page()
            stack.callback(page.close)
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": DESKTOP_PX, "height": HEIGHT_PX})
            seen = Seen(page)
            page.on("pageerror", lambda error: seen.complaints.append(str(error)))
            page.on("console", lambda message: _note(seen, message))
            page.goto(url, wait_until="load")
            return seen

        yield opened


def _note(seen: Seen, message: ConsoleMessage) -> None:
    if message.type == "error":
        seen.complaints.append(f"{message.text} ({message.location.get('url', '')})")


def answers(url: str) -> bool:
    """Whether the server answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
