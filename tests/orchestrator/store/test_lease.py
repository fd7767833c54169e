"""The lease of a run: one host at a time, also when one of them sleeps, is killed or cannot reach the store."""

import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.store import lease as module
from orchestrator.store.lease import EXPIRY_S, RENEWED_EVERY_S, Holder, Lease
from schemas.contract.errors import Cancelled, GurukulError, RequestError, StoreError
from schemas.contract.machine import this_machine
from schemas.store.object_store import ObjectStore


class Clock:
    """Times of the module under test, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time that passes; the other process does what it does then."""
        self.now += seconds
        self.meanwhile()

    def meanwhile(self) -> None:
        """Nothing, unless a test replaces it."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that the test moves."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    """A store that both hosts reach."""
    return ObjectStore(f"file://{tmp_path}/store")


def host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process is on another machine."""
    monkeypatch.setattr(module, "this_machine", lambda: name)


def test_only_one_host_holds_a_run(store: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another host is refused while the lease is renewed, and gets it at once when it was given back."""
    one, two = Lease(store, "lease"), Lease(store, "lease")
    host("one", monkeypatch)
    one.take()
    for _ in range(6):
        clock.now += RENEWED_EVERY_S
        one.keep()
    host("two", monkeypatch)
    with pytest.raises(RequestError, match=r"is being run by process \d+ on .*try again in 60 s"):
        two.take()
    host("one", monkeypatch)
    one.give_back()
    host("two", monkeypatch)
    two.take()
    assert two.is_held and not one.is_held


def test_a_holder_that_slept_stops_when_another_has_taken_over(
    store: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the expiry the lease is free; its old holder finds that at its next renewal and changes nothing."""
    one, two = Lease(store, "lease"), Lease(store, "lease")
    host("one", monkeypatch)
    one.take()
    clock.now += EXPIRY_S + 1
    host("two", monkeypatch)
    two.take()
    taken = store.get("lease")
    host("one", monkeypatch)
    with pytest.raises(RequestError, match="another host has taken over the run"):
        one.keep()
    one.give_back()
    assert not one.is_held and store.get("lease") == taken


def test_a_renewal_whose_answer_was_lost_is_its_holder_s(
    store: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has it, the holder does not know that: it goes on, and no other host has the run."""
    one, two = Lease(store, "lease"), Lease(store, "lease")
    host("one", monkeypatch)
    one.take()

    def unanswered(key: str, content: bytes, before: bytes | None) -> bool:
        replace(key, content, before)
        raise StoreError("no answer")

    replace = store.replace
    clock.now += RENEWED_EVERY_S
    with monkeypatch.context() as patch:
        patch.setattr(store, "replace", unanswered)
        one.keep()
    clock.now += RENEWED_EVERY_S
    one.keep()
    host("two", monkeypatch)
    with pytest.raises(RequestError, match="try again in 60 s"):
        two.take()


def test_a_run_is_cancelled_from_another_host_and_that_is_confirmed(
    store: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder finds the wish at its next renewal; the other host waits until the lease is given back."""
    holder, other = Lease(store, "lease"), Lease(store, "lease")
    host("one", monkeypatch)
    holder.take()

    def work() -> None:
        host("one", monkeypatch)
        if holder.is_held:
            try:
                holder.keep()
            except Cancelled:
                holder.give_back()
        host("two", monkeypatch)

    monkeypatch.setattr(clock, "meanwhile", work)
    host("two", monkeypatch)
    assert other.cancel_elsewhere(within_s=60.0)
    assert clock.now <= 1000.0 + RENEWED_EVERY_S + 1.0 and not holder.is_held
    assert not other.cancel_elsewhere(within_s=60.0)  # no host holds it now


def test_a_cancellation_that_no_holder_confirms_is_an_error(
    store: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A holder that hangs is named; one that has not renewed for long holds nothing."""
    host("one", monkeypatch)
    Lease(store, "lease").take()
    host("two", monkeypatch)
    with pytest.raises(GurukulError, match="has not stopped the run in 20 s"):
        Lease(store, "lease").cancel_elsewhere(within_s=20.0)
    clock.now += EXPIRY_S
    assert not Lease(store, "lease").cancel_elsewhere(within_s=20.0)


def test_a_run_that_ends_while_it_is_asked_to_cancel_gives_its_lease_back(
    store: ObjectStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish came after the last renewal: the run ends as it did, and the other host does not wait for it."""
    holder, other = Lease(store, "lease"), Lease(store, "lease")
    host("one", monkeypatch)
    holder.take()

    def end() -> None:
        host("one", monkeypatch)
        holder.give_back()
        host("two", monkeypatch)

    monkeypatch.setattr(clock, "meanwhile", end)
    host("two", monkeypatch)
    assert other.cancel_elsewhere(within_s=10.0)
    assert not holder.is_held
    other.take()


def test_a_process_of_this_machine_keeps_its_run_while_it_lives(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may work under another data folder, where no lock is seen; one that was killed is followed at once."""
    monkeypatch.setattr(module, "POLL_S", 0.01)
    with subprocess.Popen(["sleep", "60"]) as process:
        held = Holder(machine=this_machine(), host="here", pid=process.pid, renewed=time.time())
        store.put("lease", held.model_dump_json().encode())
        with pytest.raises(RequestError, match=rf"is being run by process {process.pid} on here; stop it there\.$"):
            Lease(store, "lease").take()
        with pytest.raises(GurukulError, match="has not stopped the run in 0 s"):
            Lease(store, "lease").cancel_elsewhere(within_s=0.05)
        assert b'"asked_to_cancel":true' in (store.get("lease") or b"")
        process.kill()
    assert not Lease(store, "lease").cancel_elsewhere(within_s=0.05)
    Lease(store, "lease").take()
