"""Runs share a fleet's slots: a pure function of what they publish, and its effect on what is sent."""

from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from orchestrator.dispatch.sharing import Sharing, allotted, at_most
from schemas.contract.share import Share
from schemas.redis.keys import SHARES
from schemas.redis.shares import publish_share
from tests.orchestrator.dispatch.views import device, piece, sends, sent, view
from tests.strategies import examples

shares = st.dictionaries(
    st.sampled_from("abcde"),
    st.builds(
        Share, priority=st.sampled_from([0.5, 1.0, 2.0]), wanted=st.integers(0, 20), used_s=st.floats(0, 100)
    ),
    min_size=1,
)  # fmt: skip


def share(wanted: int, priority: float = 1.0, used_s: float = 0.0) -> Share:
    return Share(priority=priority, wanted=wanted, used_s=used_s)


@examples(200)
@given(slots=st.integers(0, 30), found=shares)
def test_slots_are_shared_whole_and_none_is_idle_while_work_waits(slots: int, found: dict[str, Share]) -> None:
    """No run gets more than it wants, and together they get all slots that they want."""
    given_to = allotted(slots, found)
    assert given_to.keys() == found.keys()
    assert all(0 <= given_to[run] <= each.wanted for run, each in found.items())
    assert sum(given_to.values()) == min(slots, sum(each.wanted for each in found.values()))


@examples(200)
@given(slots=st.integers(0, 30), found=shares)
def test_no_run_could_have_more_without_one_that_has_less_for_its_priority(slots: int, found: dict[str, Share]) -> None:
    """A run that lacks slots has at least the part by priority of every other run, but for one slot of rounding."""
    given_to = allotted(slots, found)
    for run, each in found.items():
        if given_to[run] < each.wanted:
            for other, theirs in found.items():
                assert (given_to[run] + 1) / each.priority >= (given_to[other] - 1) / theirs.priority - 1e-6


def test_priorities_and_what_is_left_over() -> None:
    """Twice the priority has twice the slots; what one does not want the others get; a last slot follows used time."""
    assert allotted(9, {"a": share(99), "b": share(99, 2.0)}) == {"a": 3, "b": 6}
    assert allotted(9, {"a": share(2), "b": share(99), "c": share(0)}) == {"a": 2, "b": 7, "c": 0}
    assert allotted(1, {"a": share(9, used_s=60.0), "b": share(9, used_s=40.0)}) == {"a": 0, "b": 1}
    assert allotted(1, {"a": share(9, used_s=60.0, priority=2.0), "b": share(9, used_s=40.0)}) == {"a": 1, "b": 0}


def test_a_run_alone_has_no_limit_and_its_used_time_fades() -> None:
    """A minute halves it, so that a run that comes later does not have to wait until the first is equalled."""
    seen: list[Share] = []
    sharing, fit = Sharing("r"), {"d0": device("d0", 2)}
    assert sharing.slots(fit, 9, 2, 1.0, lambda own: seen.append(own) or {}) is None  # type: ignore[func-returns-value]
    assert sharing.slots(fit, 9, 0, 60.0, lambda own: seen.append(own) or {}) is None  # type: ignore[func-returns-value]
    assert [each.used_s for each in seen] == [2.0, 1.0]
    assert sharing.slots(fit, 1, 0, 0.0, lambda own: {"s": share(1)}) is None
    assert sharing.slots(fit, 9, 0, 0.0, lambda own: {"s": share(0)}) is None
    assert sharing.slots(fit, 9, 0, 0.0, lambda own: {"s": share(9)}) == {"d0": 1}


def test_no_more_is_sent_than_the_run_s_slots() -> None:
    """What is out counts, and there is no attempt beyond the slots; a far device keeps a part of what is on its way."""
    devices = [device("d0", 2), device("d1", 2)]
    waiting = [piece(symbol, number) for number in range(20) for symbol in "AB"]
    assert len(sends(view(devices, waiting))) == 6
    assert len(sends(view(devices, waiting, allotted={"d0": 1, "d1": 1}))) == 2
    assert len(sends(view(devices, waiting, allotted={"d0": 1, "d1": 1}, out=[sent(piece("B"), "d0")]))) == 1
    assert sends(view(devices, waiting, allotted={})) == []
    far = [device("d0", 2, round_trip_s=0.2)]
    assert len(sends(view(far, waiting, usual_s=0.1, allotted={"d0": 1}))) == 4  # a slot, and half of 7


def test_runs_use_different_slots() -> None:
    """Runs that see the same shares divide the slots of all devices, each once."""
    fit = {name: device(name, 2) for name in ("d0", "d1")}
    found = {run: share(9) for run in "abc"}
    used = [Sharing(run).slots(fit, 9, 0, 0.0, lambda own: found) for run in found]
    assert used == [{"d0": 2}, {"d1": 1}, {"d1": 1}]


def test_a_run_keeps_to_a_number_of_devices() -> None:
    """Those that it uses first, then by name; one that begins nothing only if there is no other."""
    fit = {name: device(name) for name in ("d0", "d1", "d2")}
    assert list(at_most(0, fit, (), ())) == ["d0", "d1", "d2"]
    assert list(at_most(2, fit, {"d2"}, ())) == ["d0", "d2"]
    assert list(at_most(2, fit, {"d0"}, {"d0"})) == ["d1", "d2"]


def test_a_share_is_read_by_other_runs_for_five_seconds(redis: Redis) -> None:
    """One round trip publishes and reads; junk, and what is older by the server's clock, is removed or passed over."""
    redis.delete(SHARES)
    assert publish_share(redis, "a", share(3)) == {}
    assert publish_share(redis, "b", share(4)) == {"a": share(3)}
    redis.hset(SHARES, mapping={"junk": "x", "old": "1 {}", "c": f"{redis.time()[0]}000 {{}}"})
    assert publish_share(redis, "a", share(5)) == {"b": share(4)}
    assert 0 < redis.pttl(SHARES) <= 5000
    assert set(redis.hkeys(SHARES)) == {b"a", b"b", b"c"}
    redis.set("shares", "x")
    assert publish_share(redis, "a", share(5)) == {}
