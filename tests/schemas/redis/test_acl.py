"""Roles on a server with an access control list: each is refused what is not its own."""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError
from typer.testing import CliRunner

from orchestrator.broker.bearer import read_token
from orchestrator.cli import cli
from schemas.contract.share import Share
from schemas.redis.acl import ROLES
from schemas.redis.broker_file import read_broker_file
from schemas.redis.client import address_of, connect
from schemas.redis.presences import cordon, read_presences, read_standing, reserve, uncordon
from schemas.redis.private_file import read_private
from schemas.redis.script import EMIT, SCRIPTS
from schemas.redis.shares import publish_share
from schemas.redis.signing import FleetKey
from tests.conftest import ROOT, with_role

Call = Callable[[Any], object]


@pytest.fixture
def users(redis: Redis, server: str) -> Iterator[dict[str, Redis]]:
    """A client of each role."""
    clients = {name: connect(with_role(redis, name)) for name in ROLES}
    yield clients
    for name, client in clients.items():
        client.close()
        redis.acl_deluser(name)


EVERYONE = tuple(ROLES)
NOT_WORKER = ("gurukul-orchestrator", "gurukul-viewer")
SEE = ("gurukul-viewer", "gurukul-flower")


@pytest.mark.parametrize(
    ("names", "call"),
    [
        (EVERYONE, lambda redis: redis.flushall()),
        (EVERYONE, lambda redis: redis.config_get("*")),
        (EVERYONE, lambda redis: redis.acl_list()),
        (EVERYONE, lambda redis: redis.keys("*")),
        (EVERYONE, lambda redis: redis.shutdown()),
        (EVERYONE, lambda redis: redis.replicaof("127.0.0.1", "1")),
        (EVERYONE, lambda redis: redis.get("another program's key")),
        (EVERYONE, lambda redis: redis.eval("return redis.call('GET', 'another')", 0)),
        (EVERYONE, lambda redis: redis.eval("return redis.call('FLUSHALL')", 0)),
        (EVERYONE, lambda redis: redis.publish("another program's channel", "1")),
        (NOT_WORKER, lambda redis: redis.brpop(["cpu0@host"], 1)),
        (NOT_WORKER, lambda redis: redis.zadd("devices", {"cpu0@host": 1})),
        (("gurukul-worker", *SEE), lambda redis: redis.set("name:run", "elsewhere")),
        (("gurukul-worker", "gurukul-viewer"), lambda redis: cordon(redis, {"cpu0@host"})),
        (("gurukul-viewer",), lambda redis: redis.lpush("cpu0@host", "work")),
        (SEE, lambda redis: redis.hset("attempts:run", "teacher/x", "1")),
        (SEE, lambda redis: redis.xadd("outcomes:run", {"outcome": "forged"})),
        (SEE, lambda redis: redis.hset("presences", "cpu0@host", "forged")),
        (SEE, lambda redis: redis.delete("events:run")),
        (("gurukul-viewer",), lambda redis: redis.publish("/0.celery.pidbox", "an order")),
        (("gurukul-viewer",), lambda redis: EMIT.run(redis, ["seq:run", "events:run"], ["telemetry:run", "{}", 1, 1])),
    ],
)
def test_a_role_is_refused_the_rest(users: dict[str, Redis], names: tuple[str, ...], call: Call) -> None:
    """Other programs' keys, the server's settings, another role's work; scripts give no right more."""
    for name in names:
        with pytest.raises(NoPermissionError):
            call(users[name])


ORCHESTRATORS = ("gurukul", "gurukul-orchestrator")
WORKERS = (*ORCHESTRATORS, "gurukul-worker")
UNSIGNED: dict[str, tuple[tuple[str, ...], Call]] = {
    "event": (WORKERS, lambda redis: EMIT.run(redis, ["seq:r", "events:r"], ["telemetry:r", "{}", 9, 9])),
    "removed event": (WORKERS, lambda redis: redis.delete("events:r")),
    "removed heartbeat": (WORKERS, lambda redis: redis.delete("presences")),
    "removed attempt": (WORKERS, lambda redis: redis.delete("attempts:r")),
    "removed message": ((*WORKERS, "gurukul-flower"), lambda redis: redis.delete("cpu0@host")),
    "cordon": (ORCHESTRATORS, lambda redis: cordon(redis, {"cpu0@host"})),
    "end of a cordon": (WORKERS, lambda redis: uncordon(redis, {"cpu0@host"})),
    "reservation": (ORCHESTRATORS, lambda redis: reserve(redis, "cpu0@host", "r")),
    "share": (ORCHESTRATORS, lambda redis: publish_share(redis, "r", Share(priority=9.0, wanted=9, used_s=0.0))),
    "removed name": (ORCHESTRATORS, lambda redis: redis.delete("name:r")),
}


@pytest.mark.parametrize("what", UNSIGNED)
def test_who_may_write_what_no_signature_protects(users: dict[str, Redis], what: str) -> None:
    """The table of docs/security.md: these roles and no other, with the password alone."""
    names, call = UNSIGNED[what]
    for name in set(ROLES) - set(names):
        with pytest.raises(NoPermissionError):
            call(users[name])
    for name in names:
        call(users[name])


def test_a_viewer_sees_devices_events_and_dead_letters(users: dict[str, Redis]) -> None:
    """What `fleet`, `watch` and `metrics` read; runs with the other roles are in tests/system/test_run.py."""
    viewer: Any = users["gurukul-viewer"]
    assert (read_presences(viewer), read_standing(viewer, {"cpu0@host"})) == ({}, ({}, set()))
    assert viewer.exists("events:run") == 0 and not viewer.xread({"events:run": "0"})
    assert viewer.llen("cpu0@host") == 0 and viewer.hmget("dead-letter-counts", ["queue"]) == [None]


def test_every_command_of_a_script_is_allowed_to_those_who_run_it() -> None:
    """A script that gains a command needs it in the roles."""
    called = {name.lower() for each in SCRIPTS for name in re.findall(r"redis\.p?call\(\s*'([A-Z]+)'", each.source)}
    assert called - set(ROLES["gurukul"].commands) == set()


def test_each_promise_names_tests_that_exist() -> None:
    """docs/security.md names the test that holds each promise."""
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    promises = [row for row in text.split("## Promises")[1].split("## ")[0].splitlines() if row.startswith("| ")][1:]
    assert len(promises) > 10
    for row in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for path, name in named:
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_the_command_prints_a_line_of_an_aclfile_per_role(redis: Redis) -> None:
    """A server accepts each as it is; channels are those of the database."""
    lines = CliRunner().invoke(cli, ["acl", "--database", "3"]).stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [["user", name, "on"] for name in ROLES]
    user: Any = redis
    for line in lines:
        _, name, *rules = line.split()
        assert user.execute_command("ACL", "SETUSER", name, "reset", *rules)
        user.execute_command("ACL", "DELUSER", name)
    assert "&/3.celery.pidbox" in lines[0] and "&/0." not in "".join(lines)


def test_written_users_are_digests_and_urls_that_only_their_owner_reads(tmp_path: Path) -> None:
    """The aclfile holds no password, the key can be used; a second writing and a URL with a user are refused."""
    words = ["acl", "--write", str(tmp_path), "--url"]
    assert CliRunner().invoke(cli, [*words, "rediss://broker.example:6380/3"]).exit_code == 0
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    aclfile = written.pop("users.acl")
    assert written.keys() == {"fleet.key", "metrics.token", *(f"{name}.url" for name in ROLES)}
    assert FleetKey.parse(read_private(tmp_path / "fleet.key", "key file", "it"), "it")
    assert len(read_token(tmp_path / "metrics.token") or "") == 64
    for name in ROLES:
        address = address_of(read_broker_file(tmp_path / f"{name}.url"))
        digest = hashlib.sha256(str(address.password).encode()).hexdigest()
        assert address.without_secrets() == "rediss://broker.example:6380/3"
        assert f"user {name} on #{digest} {' '.join(ROLES[name].rules(3))}\n" in aclfile
        assert str(address.password) not in aclfile
        assert (tmp_path / f"{name}.url").stat().st_mode & 0o777 == 0o600
    for url in ("redis://broker.example:6379/0", "redis://u:p@broker.example:6379/0"):
        assert CliRunner().invoke(cli, [*words, url]).exit_code == 2
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == written | {"users.acl": aclfile}
    for name in ("users.acl", "fleet.key", "metrics.token"):
        (tmp_path / name).unlink()
    assert CliRunner().invoke(cli, [*words, "redis://broker.example:6379/0"]).exit_code == 2
    assert not (tmp_path / "users.acl").exists(), "an empty aclfile would open the server"
