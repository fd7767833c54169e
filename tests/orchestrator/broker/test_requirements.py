"""What preflight asks a broker: one look names the first thing that a run would lack, and the remedy."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from orchestrator.broker.embedded import check, find_binary
from orchestrator.broker.requirements import check_for_run, run_checks
from schemas.contract.check import CheckState
from schemas.contract.device import Device, DeviceKind
from schemas.contract.errors import RequestError
from schemas.redis.client import address_of, connect
from schemas.redis.server_checks import memory_checks
from tests.conftest import with_role
from tests.ports import free_port
from tests.waiting import wait_for

DEVICES = (Device(name="cpu0@here", kind=DeviceKind.CPU, slots=2),)


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except ConnectionError:
        return False


@contextmanager
def own_server(folder: Path, *settings: str) -> Iterator[str]:
    """URL of a server with these settings."""
    url = f"redis://127.0.0.1:{(port := free_port())}/0"
    command = [find_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *settings]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            with Redis.from_url(url, protocol=2) as client:  # protocol 2 begins without HELLO
                wait_for(lambda: answers(client), "the server")
            yield url
        finally:
            process.terminate()


def test_a_broker_that_has_everything_is_left_as_it_was(redis: Redis, server: str) -> None:
    """The keys of the check are removed at once."""
    check_for_run(server, DEVICES)
    assert redis.keys() == []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (("+@all", "resetchannels"), "ACL SETUSER NAME allchannels"),
        (("+@all", "-psubscribe", "allchannels"), r"add \+subscribe"),
        (("+@all", "-brpop", "-@scripting", "allchannels"), r"add \+brpop \+eval to its ACL"),
        (("+@all", "-multi", "allchannels"), r"add \+multi \+exec to its ACL"),
        (("nopass", "off"), "refuses the login"),
        (("-@all", "&*"), "does not allow PING to this user; add"),
    ],
)
def test_what_the_user_may_not_do_is_named(redis: Redis, server: str, rules: tuple[str, ...], expected: str) -> None:
    """Commands and channels of the ACL, with the rules to add."""
    user: Any = redis
    user.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~*", *rules)
    try:
        with pytest.raises(RequestError, match=expected):
            check_for_run(f"redis://limited:pw@{server.rpartition('@')[2]}", DEVICES)
    finally:
        user.execute_command("ACL", "DELUSER", "limited")


def test_a_right_that_is_missing_is_named_once(redis: Redis, server: str) -> None:
    """One check of rights, whatever their number; a command that the server has is not called one that it lacks."""
    url = f"redis://few:pw@{server.rpartition('@')[2]}"
    redis.acl_setuser("few", enabled=True, passwords=["+pw"], commands=["+@all", "-get", "-set", "-xadd"], keys=["~*"])
    try:
        with connect(url) as client:
            texts = [each.text for each in run_checks(client, address_of(url), ()) if each.name == "rights"]
    finally:
        redis.acl_deluser("few")
    assert len(texts) == 2 and "allchannels" in texts[0]
    assert texts[1].startswith("does not allow SET, GET, XADD to this user; add +set +get +xadd to its ACL")


def test_a_client_without_a_login_is_told_of_the_login(redis: Redis, server: str) -> None:
    """The default user of the project's aclfile answers PING alone."""
    redis.acl_setuser("bare", enabled=True, passwords=["+pw"], commands=["+ping", "+info", "+multi", "+exec"])
    try:
        with connect(f"redis://bare:pw@{server.rpartition('@')[2]}") as client:
            address = address_of(f"redis://{server.rpartition('@')[2]}")
            texts = [each.text for each in run_checks(client, address, ()) if each.name == "rights"]
    finally:
        redis.acl_deluser("bare")
    assert texts and texts[0].startswith("does not let a client without a login work; give a user and a password")


def test_a_refused_login_names_the_codes_of_a_url(redis: Redis, server: str) -> None:
    """A bare `%41` in a password means `A`: the only character of URLs that is not refused at once."""
    place = server.rpartition("@")[2]
    redis.acl_setuser("percent", enabled=True, passwords=["+a%41b"], commands=["+ping"])
    try:
        with pytest.raises(RequestError, match=r"refuses the login .* --broker-file: .* % as %25"):
            check(f"redis://percent:a%41b@{place}")
        check(f"redis://percent:a%2541b@{place}")
    finally:
        redis.acl_deluser("percent")


@pytest.mark.parametrize(("name", "devices"), [("gurukul", DEVICES), ("gurukul-orchestrator", ())])
def test_a_role_has_what_its_runs_need(redis: Redis, server: str, name: str, devices: tuple[Device, ...]) -> None:
    """Of a run with its own workers, and of one on a fleet; the latter needs none of a worker's rights."""
    url = with_role(redis, name)
    try:
        check_for_run(url, devices)
        if not devices:
            with pytest.raises(RequestError, match=f"lets its user {name} start no workers; give the .* user gurukul "):
                check_for_run(url, DEVICES)
    finally:
        redis.acl_deluser(name)


def test_questions_that_the_user_may_not_ask_are_passed_over(redis: Redis, server: str) -> None:
    """Managed servers forbid INFO and CLIENT; a run needs neither."""
    user: Any = redis
    user.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~*", "+@all", "-info", "-client", "&*")
    try:
        check_for_run(f"redis://limited:pw@{server.rpartition('@')[2]}", DEVICES)
    finally:
        user.execute_command("ACL", "DELUSER", "limited")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("--maxclients", "10"), "allows 10 clients .* this run needs 11: raise maxclients"),
        (("--maxmemory", "1mb"), "its memory is full; raise its maxmemory"),
        (("--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"), "allkeys-lru.*set it to noeviction"),
        (("--replicaof", "127.0.0.1 1"), "read-only replica; give the URL of the primary"),
        (("--rename-command", "XADD", ""), "lacks XADD"),
        (("--rename-command", "HELLO", ""), "Redis 6.2 or newer, or Valkey, is needed"),
        (("--databases", "1"), "has no database of that number"),
    ],
)
def test_what_the_server_lacks_is_named(tmp_path: Path, settings: tuple[str, ...], expected: str) -> None:
    """Each setting in a server of its own; the message names the remedy."""
    with own_server(tmp_path, *settings) as url, pytest.raises(RequestError, match=expected):
        check_for_run(url.replace("/0", "/7") if "--databases" in settings else url, DEVICES)


def test_what_may_go_wrong_is_a_note(tmp_path: Path) -> None:
    """A policy that evicts keys with an expiry, which all of a run's have but its queues."""
    with own_server(tmp_path, "--maxmemory", "1gb", "--maxmemory-policy", "volatile-lru") as url:
        (risk,) = check_for_run(url, DEVICES)
    assert "maxmemory-policy volatile-lru" in risk and "set it to noeviction" in risk


@pytest.mark.parametrize(
    ("used", "state", "words"),
    [
        (89, CheckState.OK, "89% of its memory used"),
        (90, CheckState.NOTE, "uses 90% of its memory"),
        (102, CheckState.NOTE, "102%"),
    ],
)
def test_a_memory_that_is_nearly_full_is_a_note(used: int, state: CheckState, words: str) -> None:
    """The server takes no work once it is."""
    (check,) = memory_checks({"maxmemory": 100, "used_memory": used, "maxmemory_policy": "noeviction"})
    assert check.state is state and words in check.text


def test_a_node_of_a_cluster_is_refused(tmp_path: Path) -> None:
    """Its answers to single keys would be MOVED, and none of them names the reason."""
    with (
        own_server(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port())) as url,
        pytest.raises(RequestError, match=r"is a cluster, .*; give the URL of a primary without cluster mode"),
    ):
        check_for_run(url, DEVICES)
