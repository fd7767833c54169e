"""A fleet of two hosts of which one lacks plug-ins, `--reuse` after an edit, and faults of a plug-in."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from orchestrator.broker import embedded
from schemas.contract.artifact import RunRow
from schemas.contract.task import FailureClass, Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_rows
from schemas.redis.client import BROKER_ENV
from schemas.redis.presences import read_presences
from tests.conftest import clean_environment, orchestrator, write_bars
from tests.waiting import wait_for

IDEAS = '''import gurukul as gk


@gk.feature(warmup=60)
def gap_to_high(bars):
    """close / highest high of 60 bars - 1"""
    return bars["close"] / bars["high"].rolling(60).max() - 1
'''
VENDOR = """import os

import gurukul as gk
import pandas as pd


@gk.source(symbols=lambda argument: os.listdir(argument))
def files(symbol, argument):
    return pd.read_csv(f"{argument}/{symbol}/1day/bars.csv", index_col=0, parse_dates=True)
"""
# What the feature does with the bars of each symbol, and what then stands before its line in the window's message.
FAULTS = {
    "EXITS": ("sys.exit('enough')", FailureClass.DATA, "exit: enough"),
    "RAISES": ("raise ValueError('enough')", FailureClass.DATA, "ValueError: enough"),
    "SHAPES": ("return bars['close'].iloc[1:]", FailureClass.DATA, "a Series with another index than the bars"),
    "HANGS": ("time.sleep(3600)", FailureClass.TIMEOUT, "it ran longer than 30 s"),
    "DIES": ("os._exit(7)", FailureClass.LOST, "its process ended: Worker exited prematurely: exitcode 7"),
    "HOARDS": ("while True: kept.append(bytearray(2**24))", FailureClass.OOM, "out of memory"),
}
# Neither costs a window. PRINTS comes after the others in the order of symbols, GOOD between them.
SYMBOLS = (*FAULTS, "GOOD", "PRINTS")
HOSTILE = "".join(
    (
        f"import os\nimport sys\nimport time\n\nimport gurukul as gk\n\nkept, names = [], {SYMBOLS}\n\n\n",
        "@gk.feature(warmup=0)\ndef gap_to_high(bars):\n    name = names[int(bars['volume'].iloc[0]) % 10]\n",
        "    if name == 'PRINTS':\n        print('noise ' * 1_000_000)\n",
        *(f"    if name == {name!r}:\n        {line}\n" for name, (line, _, _) in FAULTS.items()),
        "    return bars['close'] / bars['open'] - 1\n",
    )
)
LARGEST_BYTES = 2**30
OWN_NAME = ["unshare", "-ru", "sh", "-c", 'hostname bare && exec "$@"', "sh"]
SPAN = ("--start-date", "2024-03-01", "--end-date", "2024-07-05", "--window-days", "120", "--step-days", "120")


@contextmanager
def workers(folder: Path, url: str, prefix: list[str], *flags: str) -> Iterator[None]:
    """Workers of one device, which work under the data folder of the run and get a GiB of memory each."""
    start = [sys.executable, "-m", "workers", "start", "--devices", "cpu:1x1", *flags]
    environment = clean_environment() | {BROKER_ENV: url}
    with (folder / "workers.log").open("ab") as log:
        process = subprocess.Popen(
            [*prefix, *start], cwd=folder, env=environment, stdout=log, stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (LARGEST_BYTES, LARGEST_BYTES)),
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def run(folder: Path, *arguments: str, code: int = 0) -> None:
    """`orchestrator run ...` to its end, in a process of its own: one process reads a plug-in once."""
    result = orchestrator("run", *arguments, cwd=folder)
    assert result.returncode == code, result.stderr + result.stdout


def devices(redis: Redis, expected: int) -> set[str]:
    """The names of the devices, once there are so many."""
    wait_for(lambda: len(read_presences(redis)) == expected, f"{expected} workers")
    return set(read_presences(redis))


def rows_of(folder: Path, run_id: str) -> list[RunRow]:
    """All windows of a run, of teachers and students."""
    layout = RunLayout.under(folder / "data", run_id)
    return [row for role in (Role.TEACHER, Role.STUDENT) for row in read_rows(layout, role)]


def trained_by(folder: Path, run_id: str) -> tuple[set[str | None], set[str | None]]:
    """The devices that trained windows of a run, and the runs that others were taken from."""
    done = [row for row in rows_of(folder, run_id) if row.status is Status.SUCCESS]
    assert done
    return {row.device for row in done}, {row.reused_from for row in done}


def numbered(bars: Path) -> Path:
    """The same bars, with the place of their symbol in `SYMBOLS` as the last digit of each volume."""
    for number, symbol in enumerate(SYMBOLS):
        path = bars / symbol / "1day" / "bars.csv"
        head, *lines = path.read_text().splitlines()
        path.write_text("\n".join([head, *(f"{line[:-1]}{number}" for line in lines)]) + "\n")
    return bars


def test_a_worker_without_the_plug_in_gets_no_work_and_an_edit_decides_what_is_reused(tmp_path: Path) -> None:
    """Every window is trained by the device that has the files; the other is named with the remedy.

    It reads the bars as well, whose source is a plug-in.

    A comment in the file changes nothing: with `--reuse` every window is kept. A change of its code trains all again,
    once workers have the new file; those that began with the old one get no work. The new file does with each symbol
    another thing that it must not: each costs its own window, with the line in the message, and no other.
    The run ends by itself.
    """
    if subprocess.run([*OWN_NAME, "true"], capture_output=True).returncode:
        pytest.skip("a second host name needs a namespace, which is not permitted here")
    ideas, bars = tmp_path / "ideas.py", numbered(write_bars(tmp_path / "bars", SYMBOLS))
    ideas.write_text(IDEAS)
    (tmp_path / "vendor.py").write_text(VENDOR)
    plugins = f"{ideas},vendor.py"
    with embedded.server() as url, Redis.from_url(url) as redis, workers(tmp_path, url, OWN_NAME):
        (bare,) = devices(redis, 1)
        request = (
            "--source", f"plugin:files:{bars}", *SPAN, "--plugins", plugins, "--features", "minimal,gap_to_high",
            "--broker", url, "--no-local-workers", "--reuse",
        )  # fmt: skip
        with workers(tmp_path, url, [], "--plugins", plugins):
            (able,) = devices(redis, 2) - {bare}
            run(tmp_path, *request, "--symbols", "GOOD", "--run-id", "a")
            (events,) = (tmp_path / "data" / "analytics" / "training").glob("*_a.jsonl")
            refused = [
                each for each in map(json.loads, events.read_text().splitlines()) if "no work" in each["message"]
            ]
            assert [each["device"] for each in refused] == [bare]
            assert (
                "it lacks the plug-in ideas.py; start its workers with `workers start --plugins"
                in refused[0]["message"]
            )
            assert trained_by(tmp_path, "a") == ({able}, {None})
            ideas.write_text("# a comment\n" + IDEAS.replace("highest high of 60 bars", "the highest high"))
            run(tmp_path, *request, "--symbols", "GOOD", "--run-id", "b")
            assert trained_by(tmp_path, "b")[1] == {"a"}
        ideas.write_text(HOSTILE)
        with workers(tmp_path, url, [], "--plugins", plugins):
            devices(redis, 2)
            run(tmp_path, *request, "--window-limit", "30", "--run-id", "c", code=3)  # more failures than it allows
    assert trained_by(tmp_path, "c") == ({able}, {None})
    found = {(row.symbol, row.role): row for row in rows_of(tmp_path, "c")}
    failed = {symbol: row.message for (symbol, _), row in found.items() if row.status is not Status.SUCCESS}
    assert failed.keys() == FAULTS.keys(), failed
    lines = HOSTILE.splitlines()
    for symbol, (line, failure, words) in FAULTS.items():
        teacher, student = found[symbol, Role.TEACHER], found[symbol, Role.STUDENT]
        assert (teacher.status, teacher.failure) == (Status.FAILED, failure), teacher
        assert words in teacher.message and student.message == f"its teacher failed: {teacher.message}"
        place = f"{ideas} line {lines.index(8 * ' ' + line) + 1}" if symbol != "SHAPES" else f"{ideas}"
        assert place in teacher.message and f"feature gap_to_high of {symbol}" in teacher.message
