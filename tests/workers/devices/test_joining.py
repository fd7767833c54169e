"""What `workers start` logs and refuses before it joins a fleet."""

import logging
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from redis import Redis

from schemas.contract.device import Device, DeviceKind
from schemas.contract.errors import RequestError
from schemas.contract.folders import Folders
from schemas.contract.plugin_source import PLUGINS_ENV
from schemas.files.free_space import GIB
from schemas.redis import server_checks
from tests.conftest import with_role
from tests.orchestrator.broker.test_requirements import own_server
from workers.devices.joining import join

DEVICES = [Device(name="cpu0@beta", kind=DeviceKind.CPU, slots=2)]


def test_a_host_names_what_it_offers(
    server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with broker, devices, store, free disk, version and plug-ins; a clock that is right is not mentioned."""
    (tmp_path / "ideas.py").touch()
    monkeypatch.setenv(PLUGINS_ENV, str(tmp_path / "ideas.py"))
    with caplog.at_level(logging.INFO):
        join(DEVICES, Folders(data_dir=str(tmp_path / "not" / "yet"), store="s3://bucket/prefix"), server)
    (line,) = caplog.messages
    words = ("cpu0@beta (2 slots)", "store s3://bucket/prefix", "GiB free", "gurukul", "plug-in ideas.py")
    assert line.startswith("joins redis://127.0.0.1:") and all(word in line for word in words)


@pytest.mark.parametrize(("by_s", "words"), [(-60.0, "60 s behind"), (60.0, "60 s ahead of")])
def test_a_wrong_clock_is_named(
    server: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    by_s: float,
    words: str,
) -> None:
    """With its direction and the remedy."""
    wrong = SimpleNamespace(time=lambda: time.time() + by_s)
    monkeypatch.setattr(server_checks, "time", wrong)
    join(DEVICES, Folders(data_dir=str(tmp_path)), server)
    assert f"the clock of this host is {words} that of the broker; set both by a time server" in caplog.text


def test_a_full_disk_is_refused(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the folder, what is free and what is needed."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=GIB // 4))
    with pytest.raises(RequestError, match=r"data has 0\.25 GiB free, and workers need 1; free some"):
        join(DEVICES, Folders(data_dir=str(tmp_path / "data")), server)


def test_a_broker_that_no_run_can_use_is_refused(tmp_path: Path) -> None:
    """As a run refuses it: its workers would lose their queues."""
    with (
        own_server(tmp_path, "--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru") as url,
        pytest.raises(RequestError, match=r"maxmemory-policy allkeys-lru\), queues too; set it to noeviction"),
    ):
        join(DEVICES, Folders(data_dir=str(tmp_path)), url)


def test_a_wrong_login_is_refused_at_once(server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is not waited for as a server that starts, and this host is not said to join."""
    url = f"redis://:wrong@{server.rpartition('@')[2]}"
    with caplog.at_level(logging.INFO), pytest.raises(RequestError, match="refuses the login"):
        join(DEVICES, Folders(data_dir=str(tmp_path)), url)
    assert caplog.messages == []


def test_a_broker_that_is_away_is_left_to_what_waits_for_it(tmp_path: Path) -> None:
    """It may be starting."""
    join(DEVICES, Folders(data_dir=str(tmp_path)), "redis://127.0.0.1:1/0")


def test_a_user_who_may_not_work_is_refused(redis: Redis, server: str, tmp_path: Path) -> None:
    """With the rights to add, before a worker ends again and again; the role of workers lacks nothing."""
    url = f"redis://few:pw@{server.rpartition('@')[2]}"
    redis.acl_setuser("few", enabled=True, passwords=["+pw"], commands=["+@all", "-brpop"], keys=["*"], channels=["*"])
    try:
        with pytest.raises(RequestError, match=r"does not allow BRPOP to this user; add \+brpop to its ACL"):
            join(DEVICES, Folders(data_dir=str(tmp_path)), url)
        join(DEVICES, Folders(data_dir=str(tmp_path)), with_role(redis, "gurukul-worker"))
    finally:
        redis.acl_deluser("few", "gurukul-worker")


def test_what_may_go_wrong_with_a_broker_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A risk is a warning, and the workers join."""
    with own_server(tmp_path, "--maxmemory", "1gb", "--maxmemory-policy", "volatile-lru") as url:
        join(DEVICES, Folders(data_dir=str(tmp_path)), url)
    assert "maxmemory-policy volatile-lru); set it to noeviction" in caplog.text
