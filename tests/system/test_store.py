"""A fleet without a shared disk: orchestrator on host A, workers on hosts B and C, an S3 server between them.

The hosts are folders; C has a host name of its own where namespaces are permitted, and else there is one worker more
on B.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from redis import Redis

from orchestrator.broker import embedded
from schemas.contract.presence import StoreUse
from schemas.contract.task import Role, Status
from schemas.files.layout import METADATA, BarsLayout, RunLayout
from schemas.files.run_files import read_rows
from schemas.redis.client import BROKER_ENV
from schemas.redis.presences import read_presences
from schemas.store.object_store import open_store
from tests.conftest import SPAN, Finished, clean_environment, command, finished_run, tree
from tests.doubles.s3_server import BUCKET, s3_server
from tests.waiting import wait_for
from workers.bars.store import encode

STORE = f"s3://{BUCKET}/fleet"
OWN_NAME = ["unshare", "-ru", "sh", "-c", 'hostname gamma && exec "$@"', "sh"]


@dataclass(frozen=True)
class Fleet:
    """Folders of three hosts, what leads A to its fleet, and the run that A has made with it."""

    folder: Path
    flags: tuple[str, ...]
    run: Finished
    moved: list[StoreUse | None]


@contextmanager
def workers(cwd: Path, url: str, bars: Path, devices: str, prefix: list[str]) -> Iterator[None]:
    """Workers of a host, which work under a cache of their own."""
    cwd.mkdir()
    start = [
        sys.executable,
        "-m",
        "workers",
        "start",
        "--devices",
        devices,
        "--source-dir",
        str(bars),
        "--store",
        STORE,
        "--cache-dir",
        "copies",
    ]
    with (cwd / "log").open("wb") as log:
        process = subprocess.Popen(
            [*prefix, *start], cwd=cwd, env=clean_environment() | {BROKER_ENV: url}, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def fleet(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The run of `two_device_run`, made by workers that share nothing with it but broker and store."""
    folder = tmp_path_factory.mktemp("hosts")
    named = subprocess.run([*OWN_NAME, "true"], capture_output=True).returncode == 0
    with ExitStack() as stack:
        _, environment = stack.enter_context(s3_server())
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in environment.items():
            patched.setenv(name, value)
        open_store.cache_clear()
        url = stack.enter_context(embedded.server())
        stack.enter_context(workers(folder / "B", url, bars, "cpu:1x1" if named else "cpu:2x1", []))
        if named:
            stack.enter_context(workers(folder / "C", url, bars, "cpu:1x1", OWN_NAME))
        with Redis.from_url(url) as redis:
            wait_for(lambda: len(read_presences(redis)) == 2, "two workers")
        (folder / "A").mkdir()
        flags = ("--broker", url, "--no-local-workers", "--store", STORE)
        run = finished_run(folder / "A", "--source", f"csv:{bars}", *SPAN, "--run-id", "generated", *flags)
        with Redis.from_url(url) as redis:
            moved = [each.store for each in read_presences(redis).values()]
        yield Fleet(folder, flags, run, moved)
        open_store.cache_clear()


def results(folder: Path) -> dict[str, bytes]:
    """What a run's result is: artifacts, scores and verdicts; without the rows, which name devices and times."""
    found = tree(folder)
    return {
        name: found[name]
        for name in found
        if name.startswith(("windows/", "validation", "statistics", "trials")) and "judging/" not in name
    }


def corrected(path: Path) -> bytes:
    """Stored bars after a vendor's correction of every close."""
    table = pq.ParquetFile(path).read()
    place = table.column_names.index("close")
    return encode(table.set_column(place, "close", pc.multiply(table["close"], 1.01)))


def test_a_run_through_a_store_has_the_bytes_of_one_on_a_shared_disk(fleet: Fleet, two_device_run: Finished) -> None:
    """Every artifact, score and verdict on A is that of the shared disk; both devices have trained, and reported what
    they moved."""
    mine, shared = results(fleet.run.folder), results(two_device_run.folder)
    assert sorted(mine) == sorted(shared)
    assert [name for name in mine if mine[name] != shared[name]] == []
    rows = [row for role in (Role.TEACHER, Role.STUDENT) for row in read_rows(RunLayout(fleet.run.folder), role)]
    assert len({row.device for row in rows if row.status is Status.SUCCESS}) == 2
    assert command("verify", "generated", cwd=fleet.folder / "A").returncode == 0
    for each in fleet.moved:
        assert each is not None and min(each.fetched_bytes, each.stored_bytes, each.kept) > 0 == each.errors
    hosts = [fleet.folder / host for host in "BC" if (fleet.folder / host).is_dir()]
    assert all((host / "copies" / "bars").is_dir() and not (host / "data").exists() for host in hosts)
    left = [path for host in "BC" for path in (fleet.folder / host / "copies" / "bars").glob("*/.staged-*")]
    assert left == [], "a worker keeps what it has staged and published"


def test_a_run_of_another_host_reuses_every_window(fleet: Fleet, bars: Path) -> None:
    """Whichever worker has trained a window and whichever gets it, the store has it; no host has all of them."""
    cwd = fleet.folder / "E"
    cwd.mkdir()
    run = finished_run(cwd, "--source", f"csv:{bars}", *SPAN, "--run-id", "again", "--reuse", *fleet.flags)
    rows = [row for role in (Role.TEACHER, Role.STUDENT) for row in read_rows(RunLayout(run.folder), role)]
    assert {row.reused_from for row in rows if row.status is Status.SUCCESS} == {"generated"}
    mine, first = tree(run.folder / "windows"), tree(fleet.run.folder / "windows")
    assert mine == first


def test_a_run_is_fetched_shown_and_finished_on_another_host(fleet: Fleet) -> None:
    """`fetch` brings all that A has; there `verify` finds it whole, and `resume` trains a damaged teacher again.

    The host has newer bars of two symbols: they stay, and the run reads its own.
    """
    cwd = fleet.folder / "F"
    layout, stored = RunLayout.under(cwd / "data", "generated"), BarsLayout.under(cwd / "data", "1day")
    first, *others = sorted((fleet.folder / "A/data/bars/1day").glob("*.parquet"))
    stored.folder.mkdir(parents=True)
    for path in others:
        (stored.folder / path.name).write_bytes(corrected(path))
    own = tree(stored.folder)
    result = command("fetch", "generated", "--store", STORE, cwd=cwd)
    assert result.returncode == 0, result.stderr
    assert tree(stored.folder) == own | {first.name: first.read_bytes()}
    assert results(layout.folder) == results(fleet.run.folder)
    assert tree(cwd / "release") == tree(fleet.folder / "A" / "release")
    row = next(
        row for row in read_rows(layout, Role.STUDENT) if row.status is Status.SUCCESS and row.symbol != first.stem
    )
    for words in (
        ("status", "generated"), ("verify", "generated"), ("watch", "generated", "--once"),
        ("replay", "generated", row.window_label), ("approve", "generated", "--by", "asha", "--override", "a test"),
        ("deploy", "generated", "--to", "staging", "--by", "ben"),
    ):  # fmt: skip
        shown = command(*words, cwd=cwd)
        assert shown.returncode == 0, f"{words}: {shown.stderr}{shown.stdout}"
    (layout.artifact(row.window_label, Role.TEACHER) / METADATA).write_bytes(b"{}")
    result = command("resume", "generated", *fleet.flags[:2], cwd=cwd)
    assert result.returncode == 0, result.stderr
    assert results(layout.folder) == results(fleet.run.folder)
    assert tree(stored.folder) == own | {first.name: first.read_bytes()}


def test_a_fetched_run_is_examined_and_released_in_another_folder(fleet: Fleet) -> None:
    """Every command that reads a run works on what `fetch` brings, with the figures of the run's own host."""
    cwd = fleet.folder / "G"
    cwd.mkdir()
    data = ("--data-dir", "elsewhere/data")
    assert command("fetch", "generated", "--store", STORE, *data, cwd=cwd).returncode == 0
    rows = read_rows(RunLayout.under(cwd / "elsewhere/data", "generated"), Role.STUDENT)
    window = next(row.window_label for row in rows if row.status is Status.SUCCESS)
    here: dict[str, str] = {}
    for words in (
        ("status", "generated"), ("explain", "generated", window), ("replay", "generated", window),
        ("verify", "generated"), ("runs",), ("compare", "generated", "generated"),
        ("approve", "generated", "--by", "asha", "--override", "a demonstration"),
        ("deploy", "generated", "--to", "staging", "--by", "ben"), ("releases",),
        ("predict", "--env", "staging", "--as-of", "2024-12-31"),
    ):  # fmt: skip
        result = command(*words, *data, cwd=cwd)
        assert result.returncode == 0, f"{words}: {result.stderr}{result.stdout}"
        here[words[0]] = result.stdout
    own = command("explain", "generated", window, cwd=fleet.folder / "A").stdout
    assert here["explain"] == own and "elsewhere/release/audit_generated/report.html" in here["status"]
    refused = command("cancel", "generated", *data, cwd=cwd)
    assert (refused.returncode, "ended already" in refused.stderr) == (2, True), refused.stderr


def test_a_name_that_the_store_has_is_refused(fleet: Fleet, bars: Path) -> None:
    """A run of the same name from another host writes nothing: artifacts of two runs would meet under one key."""
    cwd = fleet.folder / "D"
    cwd.mkdir()
    result = command("run", "--source", f"csv:{bars}", *SPAN, "--run-id", "generated", *fleet.flags, cwd=cwd)
    assert (result.returncode, f"{STORE} has a run generated already" in result.stderr) == (2, True), result.stderr
    assert not list(cwd.glob("data/models/*"))
