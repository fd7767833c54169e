"""The invariant that must hold after every fault."""

import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from orchestrator.dispatch.broker_fleet import task_id
from orchestrator.ledger.ledger import Ledger
from schemas.contract.task import Role
from schemas.files.atomic import TEMPORARY_PREFIX, sha256_of
from schemas.files.layout import telemetry_path
from schemas.files.run_files import read_manifest
from schemas.redis.dead_letters import Place, read_dead_letters
from schemas.redis.keys import RUN_KEYS_LINGER_S, cancel_key, events_stream, outcomes_stream, sequence_key
from tests.chaos.lab import Lab, Run
from tests.waiting import wait_for

END_TYPES = ("success", "skip", "fail")


@dataclass(frozen=True)
class Account:
    """The cost of a fault: attempts that were repeated, windows without an end, windows with more than one."""

    windows: int
    rerun: int
    lost: int
    doubled: int


def digests(run: Run) -> dict[str, str]:
    """SHA-256 of every artifact, validation and statistics."""
    folder = run.layout.folder
    files = [*folder.glob("windows/*/*/*"), folder / "validation.json", folder / "statistics.json"]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in sorted(files)}


def check(run: Run, calm: dict[str, str], without: str | None = None) -> Account:
    """Assert the invariant; `without` names the window that fails because of the fault."""
    # A worker that was stopped may still be finishing a window that another has stored.
    wait_for(lambda: not list(run.cwd.rglob(f"{TEMPORARY_PREFIX}*")), "the end of temporary folders", within_s=15)
    account = count(run)
    assert (account.lost, account.doubled) == (0, 0), account
    found = digests(run)
    verdicts = ("validation.json", "statistics.json") if without else ()
    expected = {
        name: digest for name, digest in calm.items()
        if not name.startswith(f"windows/{without}/") and name not in verdicts
    }  # fmt: skip
    assert {name: digest for name, digest in found.items() if name not in verdicts} == expected
    lab = run.lab
    wait_for(lambda: not lab.strangers(), "the end of every process that is not the fleet's", within_s=15)
    check_server(lab, run.run_id)
    return account


def count(run: Run) -> Account:
    """Read ledger and event log: every planned window and role has one end in both.

    The log's numbers rise, without gaps unless a key of the run was replaced: the events that it held are lost.
    """
    manifest = read_manifest(run.layout)
    labels = [planned.window.label for planned in manifest.plan]
    with closing(Ledger(run.layout.ledger)) as ledger:
        records = {role: list(ledger.records(role)) for role in (Role.TEACHER, Role.STUDENT)}
    path = telemetry_path(manifest.config.model_copy(update={"data_dir": str(run.cwd / "data")}), run.run_id)
    events = [json.loads(line) for line in path.read_text().splitlines()]
    numbers = [event["seq"] for event in events]
    assert all(before < after for before, after in pairwise(numbers))
    assert numbers == list(range(1, len(events) + 1)) or Place.KEY in read_dead_letters(run.lab.redis, 0)[0]
    ends = Counter(
        (event["event_type"].split("_")[0], event["window_label"])
        for event in events
        if event["window_label"] and event["event_type"].endswith(END_TYPES)
    )
    wanted = {(role.value, label) for role in records for label in labels}
    known = {(role.value, record.name) for role in records for record in records[role] if record.status is not None}
    return Account(
        windows=len(labels),
        rerun=run.rerun(),
        lost=len(wanted - known) + len(wanted - ends.keys()),
        doubled=sum(number - 1 for number in ends.values()),
    )


def check_server(lab: Lab, run_id: str) -> None:
    """Assert that only events are left of the run, for a minute at most."""
    # A zombie may report after the end; such an outcome expires as events do.
    lingering = {events_stream(run_id), sequence_key(run_id), outcomes_stream(run_id), cancel_key(run_id)}
    keys = {key.decode() for key in lab.redis.scan_iter(match="*", count=1000)}
    assert not {key for key in keys if run_id in key} - lingering
    assert all(0 < lab.redis.ttl(key) <= RUN_KEYS_LINGER_S for key in keys & lingering)
    for name in [presence for presence in keys if "@" in presence and lab.redis.type(presence) == b"list"]:
        left = [str(task_id(body)) for body in lab.redis.lrange(name, 0, -1) if isinstance(body, bytes)]
        assert not [identity for identity in left if identity.startswith(f"{run_id}/")], left
    assert not lab.redis.exists("unacked", "unacked_index"), "the broker keeps copies of its own"


def leftovers(folder: Path) -> list[Path]:
    """Files that a stopped lab left in its temporary folder."""
    return sorted(folder.iterdir())
