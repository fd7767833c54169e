"""A reader that may not write: another account, or a read-only mount of the data folder."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schemas.files.layout import RunLayout
from tests.conftest import ROOT, Completed, Finished, clean_environment, tree

RUN = "generated"
COMMANDS = (
    ("runs",), ("status", RUN), ("verify", RUN), ("watch", RUN), ("watch", RUN, "--once"),
    ("telemetry", "tail", RUN, "--last", "3"), ("cancel", RUN),
)  # fmt: skip
READ = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from tests.conftest import command
print(json.dumps([asdict(command(*words, cwd=Path.cwd())) for words in json.loads(sys.argv[1])]))
"""
# In a process of root modes count only without this capability.
AS_A_READER = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all") if os.getuid() == 0 else ()
)


@pytest.fixture(params=["closed", "killed", "killed without its index"])
def project(two_device_run: Finished, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A copy of a finished run in which nothing may be written; a kill has left the ledger's write-ahead log there."""
    copy = shutil.copytree(two_device_run.cwd, tmp_path / "project")
    ledger = RunLayout.under(copy / "data", RUN).ledger
    if request.param != "closed":
        left = tmp_path / "left"
        left.mkdir()
        with closing(sqlite3.connect(ledger, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("INSERT INTO run VALUES ('only in the log', 'yes')")
            for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
                shutil.copy(ledger.with_name(name), left)
        for path in left.iterdir():
            shutil.copy(path, ledger.parent)
        if request.param == "killed without its index":
            ledger.with_name("ledger.db-shm").unlink()
    paths = [copy, *copy.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield copy
    for path in paths:
        if path.is_dir():
            path.chmod(0o755)


def read_only(cwd: Path) -> list[Completed]:
    """Run `orchestrator ...` for each of COMMANDS, in one process without the right to write."""
    result = subprocess.run(
        [*AS_A_READER, sys.executable, "-c", READ, json.dumps(COMMANDS)],
        cwd=cwd, env=clean_environment() | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return [Completed(**each) for each in json.loads(result.stdout)]


def test_a_reader_reads_everything_and_changes_nothing(project: Path) -> None:
    """runs, status, verify, watch and tail exit with 0; `cancel` is refused in one line; no byte changes."""
    before = tree(project)
    for words, result in zip(COMMANDS, read_only(project), strict=True):
        lines = result.stderr.splitlines()
        if words[0] == "cancel":
            assert result.returncode != 0 and len(lines) == 1 and "read" in lines[0], result.stderr
        else:
            assert result.returncode == 0, (words, result.stdout + result.stderr)
            assert RUN in result.stdout or words[0] in ("verify", "telemetry"), (words, result.stdout)
            assert "run_end" in result.stdout or words[0] != "telemetry"
    assert tree(project) == before
