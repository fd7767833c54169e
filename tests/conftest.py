"""What system tests share: a real server, generated bars, and the programs as a person starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from redis import Redis

from orchestrator.broker import embedded as broker

SYMBOLS = ("M&M", "BAJAJ-AUTO", "^GSPC")
FIRST_BAR, LAST_BAR = date(2022, 6, 1), date(2024, 12, 31)
SPAN = ("--start-date", "2023-06-01", "--end-date", "2024-09-30", "--window-days", "120", "--step-days", "120")

Programme = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a real Redis-protocol server."""
    with broker.embedded() as url:
        yield url


@pytest.fixture
def redis(server: str) -> Iterator[Redis]:
    """A client of the server, which is empty before and after."""
    with Redis.from_url(server) as client:
        client.flushall()
        yield client
        client.flushall()


def write_bars(
    folder: Path, symbols: tuple[str, ...] = SYMBOLS, first: date = FIRST_BAR, last: date = LAST_BAR
) -> Path:
    """Random walks on weekdays, one seed a symbol, as `SYMBOL/1day/*.csv`."""
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    days = [day for day in days if day.weekday() < 5]
    for seed, symbol in enumerate(symbols):
        rng = np.random.default_rng(seed)
        close = 100 * np.exp(np.cumsum(rng.normal(0.0005, 0.018, len(days))))
        opening = close * np.exp(rng.normal(0, 0.004, len(days)))
        high = np.maximum(opening, close) * (1 + rng.uniform(0, 0.01, len(days)))
        low = np.minimum(opening, close) * (1 - rng.uniform(0, 0.01, len(days)))
        volume = rng.integers(10_000, 90_000, len(days))
        rows = zip(days, opening, high, low, close, volume, strict=True)
        lines = [f"{d}T00:00:00+05:30,{o:.2f},{h:.2f},{lo:.2f},{c:.2f},{v}" for d, o, h, lo, c, v in rows]
        path = folder / symbol / "1day" / "bars.csv"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n")
    return folder


@pytest.fixture(scope="session")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated daily bars of three symbols."""
    return write_bars(tmp_path_factory.mktemp("bars"))


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of the project."""
    return {key: value for key, value in os.environ.items() if not key.startswith("GURUKUL_")}


def orchestrator(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `orchestrator ...` as a person would, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )


@dataclass(frozen=True)
class Finished:
    """A run that ended well: where it lies and the object that it printed."""

    cwd: Path
    summary: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.cwd / self.summary["paths"]["run"]

    @property
    def audit(self) -> Path:
        return self.cwd / self.summary["paths"]["audit"]


def finished_run(cwd: Path, *arguments: str) -> Finished:
    """Run `orchestrator run --json ...`; fails the test with all that was printed unless it exits 0."""
    result = orchestrator("run", "--json", *arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr + result.stdout
    return Finished(cwd, json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture(scope="session")
def two_device_run(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The whole run on generated bars and two devices with the embedded broker."""
    cwd = tmp_path_factory.mktemp("two")
    return finished_run(cwd, "--source", f"csv:{bars}", *SPAN, "--devices", "cpu:2x1", "--run-id", "generated")


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under `folder` by its relative name."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def processes_about(text: str) -> list[psutil.Process]:
    """Living processes with `text` in their command line or environment, this one left out."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join([*process.cmdline(), *process.environ().values()])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if text in words and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found
