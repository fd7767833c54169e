"""What a look at the fleet costs does not grow with the windows that were trained, nor with what did not change."""

import io
from collections.abc import Collection
from contextlib import closing
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from rich.console import Console

from orchestrator.dispatch.backlog import Backlog, rank
from orchestrator.dispatch.heartbeat_events import BEAT_EVERY_S, MOST_PER_S, HeartbeatEvents
from orchestrator.dispatch.loop import Dispatcher
from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.played_fleet import DATA_DIR as PLAYED
from orchestrator.dispatch.played_fleet import PlayedFleet, in_turn, keeps, works
from orchestrator.dispatch.time_limits import KEPT_DURATIONS, TimeLimits
from orchestrator.dispatch.untried import Untried
from orchestrator.dispatch.work import Item
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.terminal.live_view import LiveView
from schemas.contract.event import TrainingEvent
from schemas.contract.task import Role
from tests.orchestrator.dispatch.views import NEEDS, RUN, device, piece
from tests.strategies import examples


def test_only_the_last_durations_decide_a_limit() -> None:
    """A role's limit follows the median of its last KEPT_DURATIONS windows, so no more of them are kept."""
    limits = TimeLimits(None)
    for seconds in (10.0, 50.0):
        for _ in range(KEPT_DURATIONS):
            limits.add(Role.TEACHER, seconds)
        assert limits.by_role()[Role.TEACHER] == 10 * seconds
    assert len(limits._durations[Role.TEACHER]) == KEPT_DURATIONS


names = st.sampled_from(["d0", "d1", "d2"])


@examples(200)
@given(
    sizes=st.lists(st.tuples(st.sampled_from("ABCD"), st.booleans(), st.integers(0, 3)), max_size=12),
    holders=st.dictionaries(st.sampled_from("ABCD"), names),
    takes=st.lists(st.tuples(names, st.booleans()), max_size=14),
)
def test_takes_are_those_of_a_search_over_all_symbols(
    sizes: list[tuple[str, bool, int]], holders: dict[str, str], takes: list[tuple[str, bool]]
) -> None:
    """Own symbols first, then those that no device holds, then, for a free slot, any; each by rank."""
    backlog = Backlog()
    for number, (symbol, is_student, size) in enumerate(sizes):
        backlog.add(piece(symbol, number, Role.STUDENT if is_student else Role.TEACHER, size=size))
    untried, left, held = Untried(backlog.waiting, holders), {**backlog.waiting}, dict(holders)
    for name, idle in takes:

        def order(symbol: str, name: str = name) -> tuple[int, bool, int, int]:
            return ({name: 0, None: 1}.get(held.get(symbol), 2), *rank(left[symbol][0]))

        found = min((each for each in left if left[each] and (idle or order(each)[0] < 2)), key=order, default=None)
        expected = None if found is None else left[found][0]
        assert untried.take(name, idle=idle) == expected
        if found is not None:
            left[found] = left[found][1:]
            held.setdefault(found, name)


class Asked(PlayedFleet):
    """Records how many claims each look asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def claimants(self, identities: Collection[str]) -> dict[str, str]:
        self.asked.append(len(identities))
        return super().claimants(identities)


def test_a_claim_is_asked_for_until_it_is_known() -> None:
    """While four windows run for ten looks, no look asks again who has claimed them."""
    fleet = Asked()
    for number in range(4):
        fleet.add(f"d{number}", habit=in_turn((keeps, 10), (works, 1)))
    items = [piece("A", number) for number in range(4)]
    with closing(Ledger.in_memory()) as ledger:
        ledger.add(Role.TEACHER, [item.key[1] for item in items])
        emitter = Emitter(cast(Redis, None), RUN, None)
        view = LiveView(Console(file=io.StringIO()), RUN)
        Dispatcher(RUN, Needs.of(PLAYED), fleet, ledger, emitter, view, lambda: None).run(items, lambda outcome: ())
    assert fleet.asked[1] == 4
    assert set(fleet.asked[2:10]) == {0}


def test_a_large_fleet_has_no_more_heartbeat_events_than_a_small_one() -> None:
    """A hundred devices have one event each per five seconds; four hundred have as many together, each less often."""
    events: list[TrainingEvent] = []
    now = [0.0]
    emitter = Emitter(cast(Redis, None), RUN, None, events.append)
    for count in (100, 400):
        seen = HeartbeatEvents(emitter, RUN, lambda: now[0])
        present = {f"d{number}": device(f"d{number}") for number in range(count)}
        seen.see(present, NEEDS)
        events.clear()
        span_s = 10 * BEAT_EVERY_S
        for _ in range(int(2 * span_s)):
            now[0] += 0.5
            seen.see(present, NEEDS)
        assert MOST_PER_S * span_s * 0.8 <= len(events) <= MOST_PER_S * span_s * 1.2
        assert {event.device for event in events} == set(present)


def test_work_that_was_tried_before_is_taken_out_of_the_backlog_by_identity() -> None:
    """Of two equal pieces, the one that was sent is removed."""
    backlog, first, second = Backlog(), Item(piece().work), Item(piece().work)
    backlog.add_again(first)
    backlog.add_again(second)
    backlog.remove(second, "d0")
    assert len(backlog.again) == 1 and backlog.again[0] is first
