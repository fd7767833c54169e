"""A fleet of two hosts of which one lacks a plug-in, and `--reuse` after the plug-in was edited."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from orchestrator.broker import embedded
from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_rows
from schemas.redis.client import BROKER_ENV
from schemas.redis.presences import read_presences
from tests.conftest import SPAN, clean_environment, orchestrator
from tests.waiting import wait_for

IDEAS = '''import gurukul as gk


@gk.feature(warmup=60)
def gap_to_high(bars):
    """close / highest high of 60 bars - 1"""
    return bars["close"] / bars["high"].rolling(60).max() - 1
'''
OWN_NAME = ["unshare", "-ru", "sh", "-c", 'hostname bare && exec "$@"', "sh"]


@contextmanager
def workers(folder: Path, bars: Path, url: str, prefix: list[str], *flags: str) -> Iterator[None]:
    """Workers of one device, which work under the data folder of the run."""
    start = [sys.executable, "-m", "workers", "start", "--devices", "cpu:1x1", "--source-dir", str(bars), *flags]
    environment = clean_environment() | {BROKER_ENV: url}
    with (folder / "workers.log").open("ab") as log:
        process = subprocess.Popen([*prefix, *start], cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def run(folder: Path, *arguments: str) -> None:
    """`orchestrator run ...` to its end, in a process of its own: one process reads a plug-in once."""
    result = orchestrator("run", *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr + result.stdout


def devices(redis: Redis, expected: int) -> set[str]:
    """The names of the devices, once there are so many."""
    wait_for(lambda: len(read_presences(redis)) == expected, f"{expected} workers")
    return set(read_presences(redis))


def trained_by(folder: Path, run_id: str) -> tuple[set[str | None], set[str | None]]:
    """The devices that trained windows of a run, and the runs that others were taken from."""
    layout = RunLayout.under(folder / "data", run_id)
    rows = [row for role in (Role.TEACHER, Role.STUDENT) for row in read_rows(layout, role)]
    done = [row for row in rows if row.status is Status.SUCCESS]
    assert done
    return {row.device for row in done}, {row.reused_from for row in done}


def test_a_worker_without_the_plug_in_gets_no_work_and_an_edit_decides_what_is_reused(
    bars: Path, tmp_path: Path
) -> None:
    """Every window is trained by the device that has the file; the other is named with the remedy.

    A comment in the file changes nothing: with `--reuse` every window is kept. A change of its code trains all again,
    once workers have the new file; those that began with the old one get no work.
    """
    if subprocess.run([*OWN_NAME, "true"], capture_output=True).returncode:
        pytest.skip("a second host name needs a namespace, which is not permitted here")
    ideas = tmp_path / "ideas.py"
    ideas.write_text(IDEAS)
    with embedded.server() as url, Redis.from_url(url) as redis, workers(tmp_path, bars, url, OWN_NAME):
        (bare,) = devices(redis, 1)
        request = (
            "--source", f"csv:{bars}", "--symbols", "BAJAJ-AUTO", *SPAN, "--plugins", str(ideas), "--features",
            "minimal,gap_to_high", "--broker", url, "--no-local-workers", "--reuse",
        )  # fmt: skip
        with workers(tmp_path, bars, url, [], "--plugins", str(ideas)):
            (able,) = devices(redis, 2) - {bare}
            run(tmp_path, *request, "--run-id", "a")
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
            run(tmp_path, *request, "--run-id", "b")
            assert trained_by(tmp_path, "b")[1] == {"a"}
        ideas.write_text(IDEAS.replace("(60)", "(50)"))
        with workers(tmp_path, bars, url, [], "--plugins", str(ideas)):
            devices(redis, 2)
            run(tmp_path, *request, "--run-id", "c")
            assert trained_by(tmp_path, "c") == ({able}, {None})
