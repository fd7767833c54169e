"""What a device is handed: the longest first, near the bars that it holds, away from where it failed."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dispatch.backlog import Backlog, Item
from schemas.config.bars import IngestConfig
from schemas.contract.task import IngestTask, Role, RunTask, WindowTask
from schemas.contract.window import Window
from tests.strategies import examples, training_settings

SETTINGS = training_settings()
DEVICES = ("d0", "d1", "d2")


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def piece(symbol: str, number: int = 0, role: Role = Role.TEACHER, **state: Any) -> Item:
    """A window's teacher or student, on its way in `state`."""
    start = date(2022, 1, 1) + timedelta(days=7 * number)
    window = Window(symbol=symbol, start=start, end=start + timedelta(days=7), score_end=start + timedelta(days=14))
    return Item(
        WindowTask(run_id="r", data_dir="d", role=role, window=window, settings=SETTINGS, bars={"A": "0"}), **state
    )


def backlog_of(*items: Item, clock: Clock | None = None) -> Backlog:
    backlog = Backlog(clock or Clock())
    for item in items:
        backlog.add(item)
    return backlog


def taken(backlog: Backlog, *devices: str, idle: bool = True, empty: bool = True) -> list[Item | None]:
    """What these devices get when they ask one after the other, all of DEVICES being there."""
    return [backlog.take(device, DEVICES, idle=idle, empty=empty) for device in devices]


def test_the_longest_goes_first() -> None:
    """Of one symbol, and among symbols that nobody holds, the longest goes first; equals in the order they came."""
    first, second = piece("A", 1, size=50), piece("A", 2, size=50)
    backlog = backlog_of(piece("A", 0, size=10), first, second, piece("B", 0, size=90), piece("C", 0, size=20))
    assert taken(backlog, "d0") == [piece("B", 0, size=90)]
    assert taken(backlog, "d1", "d1", "d1") == [first, second, piece("A", 0, size=10)]
    assert taken(backlog, "d2") == [piece("C", 0, size=20)]


def test_a_student_comes_before_the_teachers() -> None:
    """A student goes before every teacher of its symbol, and its symbol before others, however short it is."""
    student = piece("A", 0, Role.STUDENT, size=1)
    backlog = backlog_of(piece("A", 1, size=90), piece("B", 0, size=99), student)
    assert taken(backlog, "d0", "d0") == [student, piece("A", 1, size=90)]


def test_a_device_keeps_its_symbols() -> None:
    """A device gets all of a symbol that it began before another that nobody holds, even a longer one."""
    backlog = backlog_of(piece("A", 0, size=9), piece("A", 1, size=1), piece("B", 0, size=5))
    assert [item.symbol for item in taken(backlog, "d0", "d0", "d0") if item] == ["A", "A", "B"]


def test_a_second_device_begins_another_symbol() -> None:
    """What nobody holds goes before what another device holds, even to an idle device and though it is shorter."""
    backlog = backlog_of(piece("A", 0, size=9), piece("A", 1, size=8), piece("B", 0, size=1))
    taken(backlog, "d0")
    assert taken(backlog, "d1") == [piece("B", 0, size=1)]


def test_others_symbols_are_for_the_idle_only() -> None:
    """Work on a symbol that another device holds goes to a device with a free slot, and to no busy one."""
    backlog = backlog_of(piece("A", 0), piece("A", 1))
    taken(backlog, "d0")
    assert taken(backlog, "d1", idle=False) == [None]
    assert taken(backlog, "d1", idle=True) == [piece("A", 1)]


def test_the_idle_help_with_the_longest() -> None:
    """An idle device takes the longest of what others hold; the symbol stays its holder's."""
    backlog = backlog_of(*(piece(symbol, i, size=size) for symbol, size in (("A", 3), ("B", 5)) for i in range(3)))
    taken(backlog, "d0", "d1")
    assert taken(backlog, "d2") == [piece("B", 1, size=5)]
    assert taken(backlog, "d2", idle=False) == [None]
    assert taken(backlog, "d0", idle=False) == [piece("B", 2, size=5)]


def test_what_a_lost_device_held_is_free() -> None:
    """Once a device is forgotten its symbols go to any device, busy or not; others keep theirs."""
    backlog = backlog_of(*(piece(symbol, i) for symbol in "AB" for i in range(3)))
    taken(backlog, "d0", "d1")
    backlog.forget("d0")
    assert taken(backlog, "d1", "d1", "d1", idle=False) == [piece("B", 1), piece("B", 2), piece("A", 1)]
    assert taken(backlog, "d2", idle=False) == [None]


def test_what_is_tried_again_goes_first_once_it_is_due() -> None:
    """Work that was tried before waits until it is due, then goes before everything else."""
    clock = Clock()
    backlog = backlog_of(piece("A", 0, size=9), piece("A", 1, Role.STUDENT), piece("A", 2), clock=clock)
    again = piece("Z", due=5.0)
    backlog.add_again(again)
    assert taken(backlog, "d0") == [piece("A", 1, Role.STUDENT)]
    clock.now = 5.0
    assert taken(backlog, "d0", "d0") == [again, piece("A", 0, size=9)]


def test_work_stays_away_from_where_it_failed() -> None:
    """A device that spoiled a piece does not get it while another is there; it is not kept from other work."""
    backlog = backlog_of(piece("A", 0))
    again = piece("Z", spoiled={"d0", "d1"})
    backlog.add_again(again)
    assert taken(backlog, "d0", "d1", "d2") == [piece("A", 0), None, again]


def test_work_that_every_device_spoiled_goes_to_any() -> None:
    """If all that are there have spoiled it, the one that asks gets it: those that left do not count."""
    backlog = backlog_of()
    backlog.add_again(piece("Z", spoiled={"d0", "d1"}))
    assert backlog.take("d1", ["d0", "d1"], idle=True, empty=False) == piece("Z", spoiled={"d0", "d1"})


def test_work_that_must_be_alone_waits_for_an_empty_device() -> None:
    """Its place, the first that has not spoiled it, gets nothing until it is empty; no other device is held up."""
    alone = piece("Z", alone=True, spoiled={"d0"})
    backlog = backlog_of(*(piece("A", i) for i in range(3)))
    backlog.add_again(alone)
    assert taken(backlog, "d1", empty=False) == [None]
    assert taken(backlog, "d0", "d2", empty=False) == [piece("A", 0), piece("A", 1)]
    assert taken(backlog, "d1", empty=True) == [alone]
    assert taken(backlog, "d1", empty=False) == [piece("A", 2)]


def test_what_must_be_alone_holds_up_nobody_before_it_is_due() -> None:
    """Until it is due, work that must be alone keeps no device free."""
    backlog = backlog_of(piece("A", 0))
    backlog.add_again(piece("Z", alone=True, due=5.0))
    assert taken(backlog, "d0", empty=False) == [piece("A", 0)]


def test_an_empty_backlog_has_nothing_for_anybody() -> None:
    """An empty backlog is false, and even the idle get nothing."""
    backlog = backlog_of()
    assert not backlog
    assert taken(backlog, "d0") == [None]


def test_all_kinds_of_work_have_a_place() -> None:
    """Ingestion waits under its symbol; the run's own work, which needs no symbol's bars, under one shared name."""
    ingest = Item(IngestTask(run_id="r", data_dir="d", symbol="M&M", settings=IngestConfig().bars(None, None)))
    whole = Item(RunTask(run_id="r", data_dir="d", role=Role.AUDIT, release_dir="release"))
    assert (ingest.symbol, piece("M&M").symbol, whole.symbol) == ("M&M", "M&M", "")
    assert (ingest.key, whole.key) == ((Role.INGEST, "M&M"), (Role.AUDIT, "r"))
    assert taken(backlog_of(ingest, whole), "d0", "d0") == [ingest, whole]


flags = st.booleans()
devices = st.sampled_from(DEVICES)
steps = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("ABC"), st.sampled_from([Role.TEACHER, Role.STUDENT]), st.integers(0, 9)),
    st.tuples(st.just("take"), devices, flags, flags),
    st.tuples(st.just("again"), st.sets(devices), flags, st.floats(0, 9)),
    st.tuples(st.just("wait"), st.floats(0, 9)),
    st.tuples(st.just("forget"), devices),
)


@pytest.mark.parametrize("present", [DEVICES[:1], DEVICES])
@examples(150)
@given(steps=st.lists(steps, max_size=40))
def test_everything_comes_out_once(present: tuple[str, ...], steps: list[tuple[Any, ...]]) -> None:
    """Whatever the order of adding, adding again, taking and forgetting, each piece comes out once for each time in."""
    clock = Clock()
    backlog = Backlog(clock)
    entered: Counter[tuple[Role, str]] = Counter()
    out: list[Item] = []
    for number, (step, *details) in enumerate(steps):
        before, change = len(backlog), 0
        if step == "add":
            symbol, role, size = details
            item = piece(symbol, number, role, size=size)
            backlog.add(item)
            change = 1
        elif step == "again" and out:
            item = out[-1]
            item.spoiled, item.alone, item.due = *details[:2], clock.now + details[2]
            backlog.add_again(item)
            change = 1
        elif step == "take" and details[0] in present:
            found = backlog.take(details[0], present, idle=details[1], empty=details[2])
            out += [found] if found else []
            change = -bool(found)
        elif step == "wait":
            clock.now += details[0]
        elif step == "forget":
            backlog.forget(details[0])
        if change > 0:
            entered[item.key] += 1
        assert len(backlog) == before + change
    clock.now += 10
    while found := next(filter(None, (backlog.take(name, present, idle=True, empty=True) for name in present)), None):
        out.append(found)
    assert not backlog
    assert Counter(item.key for item in out) == entered
