"""What the commands print about one finished run and while they work, in terminals of 80 and 200 columns and in a pipe:
`screens/*.txt`.

Digits are shown as 0 and the host as `host`: numbers are other tests' subject. So are the views that are redrawn while
one waits. After a change that is wanted:
`UPDATE_SCREENS=1 python -m pytest tests/orchestrator/cli/test_output_screens.py`, and read the difference.
"""

import getpass
import os
import re
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import rich.console
import rich.live
from redis import Redis

from orchestrator.runs import doctor
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_rows
from tests.conftest import SPAN, Finished, SharedFleet, command
from tests.orchestrator.dashboard.copies import copied
from tests.orchestrator.dashboard.devices import send_heartbeats
from tests.orchestrator.dashboard.studies import stored_study

SCREENS = Path(__file__).parent / "screens"
HOST = socket.gethostname().split(".")[0]
# Durations, versions, and lines that a slow host prints more of.
VARYING = {
    r"\d+(\.\d+)?(?= m?s\b)": "0.0",
    r"((?:success|failed) │) +[\d.]+ │": r"\1     0.0 │",
    r"((?:success|failed)\t)[\d.]+$": r"\g<1>0.0",
    r"(?<=ready-for-review, )\d+:\d\d": "0.0 s",
    r"\b\d+\.\d+\.\d+\b(?!\.)": "0.0.0",
    r"^(device .* is online, .*|\w+: \d+/\d+.*)\n": "",
}
STYLING = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def place(two_device_run: Finished, bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run, on a host whose name and whose speed are always the same, and a failed one."""
    cwd = tmp_path_factory.mktemp("screens")
    for name in ("data", "release", "logs"):
        shutil.copytree(two_device_run.cwd / name, cwd / name)
    shutil.copytree(bars, cwd / "bars")
    log = cwd / "data/analytics/training/training_run_generated.jsonl"
    log.write_text(log.read_text().replace(f"@{HOST}", "@host").replace("cpu1@", "cpu0@"))
    with closing(sqlite3.connect(cwd / "data/models/generated/ledger.db")) as db, db:
        for table in ("work", "attempts"):
            db.execute(f"UPDATE {table} SET device = replace(device, ?, '@host')", (f"@{HOST}",))
        db.execute("UPDATE phases SET ended = started + 12.3")
        db.execute("UPDATE run SET value = '86.1' WHERE key = 'duration_seconds'")
    copied(cwd, "broken_down", "failed", 0.6)
    stored_study(cwd, "autumn")
    (cwd / "space.toml").write_text("[student.ridge]\nlow = 1\nhigh = 1000\nlog = true\n")
    return cwd


def lines(place: Path, broker: str, fleet: SharedFleet) -> Iterator[tuple[str, ...]]:
    """The commands, in an order in which each can be carried out."""
    working = ("--source", "csv:bars", *SPAN, "--symbols", "M&M,^GSPC")
    yield ("ingest", "--source", "csv:bars", *fleet)
    yield ("run", "--run-id", "again", *working, "--reuse", *fleet)
    yield (
        "tune", "--run-id", "study", "--space", "space.toml", "--tune-end", "2024-04-01", "--trials", "2",
        "--parallel", "1", *working, *fleet,
    )  # fmt: skip
    window = next(
        row.window_label
        for row in read_rows(RunLayout.under(place / "data", "generated"), Role.STUDENT)
        if row.status is Status.SUCCESS
    )
    yield ("plan", "--source", "csv:bars", "--start-date", "2023-06-01", "--end-date", "2024-09-30")
    yield ("runs",)
    for run in ("generated", "broken_down"):
        yield ("status", run)
    yield ("watch", "generated", "--once")
    yield ("status", "autumn")
    yield ("explain", "generated", window)
    yield ("replay", "generated", window)
    yield ("verify", "generated")
    yield ("compare", "generated", "generated")
    yield ("features",)
    yield ("approve", "generated", "--by", "asha")
    yield ("approve", "generated", "--by", "asha", "--override", "a demonstration")
    yield ("deploy", "generated", "--to", "staging", "--by", "asha")
    yield ("releases",)
    yield ("predict", "--env", "staging", "--as-of", "2024-12-31")
    yield ("fleet", "--broker", broker)
    yield ("doctor", "--broker", broker, "--data-dir", "/srv/data")
    yield ("status", "genrated")


def stable(text: str, places: dict[str, str]) -> str:
    """Text without what differs from host to host and from run to run."""
    for own, name in places.items():
        text = text.replace(own, name)
    text = re.sub(r"\b(?:[0-9a-f]{12,64}|[0-9a-f]{8})\b", lambda found: "0" * len(found[0]), STYLING.sub("", text))
    for varying, same in VARYING.items():
        text = re.sub(varying, same, text, flags=re.MULTILINE)
    # A column that is as wide as a longer duration ends in blanks.
    return re.sub(r"\d", "0", re.sub(r" +$", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("width", ["80", "200", "pipe"])
def test_output_is_as_it_was_read(
    place: Path, bars: Path, redis: Redis, server: str, fleet: SharedFleet, width: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Nothing that a command prints is cut or broken otherwise than when it was last read; a pipe has tabs."""
    cwd = shutil.copytree(place, tmp_path, symlinks=True, dirs_exist_ok=True)
    send_heartbeats(redis)
    if width != "pipe":
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", width)
        monkeypatch.setenv("TERMINAL_WIDTH", width)
    # What turns while one waits is no part of a screen.
    for name in ("start", "stop", "update"):
        monkeypatch.setattr(rich.live.Live, name, lambda *_, **__: None)
    monkeypatch.setattr(doctor, "free_gib", lambda _: 50.0)
    places = {
        str(cwd): "FOLDER",
        str(bars): "BARS",
        fleet[1]: "BROKER",
        server: "BROKER",
        f"@{HOST}": "@host",
        getpass.getuser(): "user",
    }
    found = []
    for words in lines(cwd, server, fleet):
        done = command(*words, cwd=cwd)
        printed = "\n".join(line.rstrip() for line in (done.stdout + done.stderr).splitlines())
        screen = stable(f"$ orchestrator {' '.join(words)}\n{printed}", places)
        found.append(f"{screen}\n[exit code {done.returncode}]\n")
    now = "\n".join(found)
    stored = SCREENS / f"output-{width}.txt"
    if os.environ.get("UPDATE_SCREENS"):
        stored.write_text(now, encoding="utf-8")
    assert now == stored.read_text(encoding="utf-8")
