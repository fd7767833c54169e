"""The backlog hands a device its own symbols first, then a new one, and others' only when it idles."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backlog import Backlog, Work, symbol_of
from schemas.messages import IngestTask, Role, RunTask, WindowTask
from schemas.window import Window
from tests.strategies import examples, training_settings

SETTINGS = training_settings()


def work(symbol: str, number: int = 0) -> WindowTask:
    """Teacher work on one window of `symbol`."""
    start = date(2022, 1, 1) + timedelta(days=7 * number)
    window = Window(symbol=symbol, start=start, end=start + timedelta(days=7), score_end=start + timedelta(days=14))
    return WindowTask(run_id="r", data_dir="d", role=Role.TEACHER, window=window, settings=SETTINGS, bars_sha256="0")


def backlog_of(*items: Work) -> Backlog:
    backlog = Backlog()
    for item in items:
        backlog.add(item)
    return backlog


def test_a_device_keeps_its_symbols() -> None:
    """A device gets every window of the symbol it began before another symbol's, whatever was added first."""
    backlog = backlog_of(work("A", 0), work("B", 0), work("A", 1), work("A", 2))
    expected = [work("A", 0), work("A", 1), work("A", 2), work("B", 0)]
    assert [backlog.take("one", idle=False) for _ in expected] == expected


def test_two_devices_take_different_symbols() -> None:
    """A second device begins a symbol that no device holds, though the first one's still has work."""
    backlog = backlog_of(work("A", 0), work("A", 1), work("B", 0))
    assert backlog.take("one", idle=False) == work("A", 0)
    assert backlog.take("two", idle=False) == work("B", 0)
    assert backlog.take("one", idle=False) == work("A", 1)


def test_others_symbols_are_for_the_idle_only() -> None:
    """Work on a symbol another device holds goes to a device with nothing to do, and to no busy one."""
    backlog = backlog_of(work("A", 0), work("A", 1))
    backlog.take("one", idle=False)
    assert backlog.take("two", idle=False) is None
    assert len(backlog) == 1
    assert backlog.take("two", idle=True) == work("A", 1)


def test_the_idle_help_with_the_longest_queue() -> None:
    """An idle device takes from the symbol with most work waiting, and holds it from then on."""
    backlog = backlog_of(*(work("A", i) for i in range(3)), *(work("B", i) for i in range(5)))
    backlog.take("one", idle=False)
    backlog.take("two", idle=False)
    assert backlog.take("three", idle=True) == work("B", 1)
    assert backlog.take("three", idle=False) == work("B", 2)


def test_a_students_turn_comes_before_its_symbols_teachers() -> None:
    """Work added first goes before all else of its symbol, and does not push its symbol before the device's own."""
    backlog = backlog_of(work("A", 1), work("A", 2), work("B", 0))
    student = work("A", 0).model_copy(update={"role": Role.STUDENT})
    backlog.add_first(student)
    assert [backlog.take("one", idle=False) for _ in range(3)] == [student, work("A", 1), work("A", 2)]


def test_what_a_lost_device_held_is_free() -> None:
    """Once a device is forgotten its symbols go to any device, busy or not; others keep theirs."""
    backlog = backlog_of(work("A", 0), work("A", 1), work("B", 0), work("B", 1))
    backlog.take("one", idle=False)
    backlog.take("two", idle=False)
    backlog.forget("one")
    assert backlog.take("two", idle=False) == work("B", 1)
    assert backlog.take("two", idle=False) == work("A", 1)


def test_nothing_waits_in_an_empty_backlog() -> None:
    """An empty backlog has length 0 and nothing for anybody, the idle included."""
    backlog = Backlog()
    assert not backlog
    assert backlog.take("one", idle=True) is None


def test_all_kinds_of_work_have_a_place() -> None:
    """Ingestion waits under its symbol; the run's own work, which needs no symbol's bars, under one shared name."""
    ingest = IngestTask(
        run_id="r", data_dir="d", symbol="M&M", source="sample", interval="1day", timezone="UTC", sha256="0"
    )
    whole = RunTask(run_id="r", data_dir="d", role=Role.AUDIT, settings=SETTINGS, release_dir="release")
    assert (symbol_of(ingest), symbol_of(work("M&M")), symbol_of(whole)) == ("M&M", "M&M", "")
    backlog = backlog_of(ingest, whole)
    assert [backlog.take("one", idle=False) for _ in range(2)] == [ingest, whole]


@examples(150)
@given(
    symbols=st.lists(st.sampled_from("ABCDE"), max_size=25),
    takers=st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.booleans()), max_size=60),
    lost=st.integers(0, 60),
)
def test_everything_is_handed_out_once_and_in_order(
    symbols: list[str], takers: list[tuple[str, bool]], lost: int
) -> None:
    """Whoever asks and whoever is lost, each piece is handed out once, a symbol's in its order, and none is kept."""
    items = [work(symbol, number) for number, symbol in enumerate(symbols)]
    backlog = backlog_of(*items)
    taken: list[Work] = []
    for turn, (device, idle) in enumerate(takers):
        if turn == lost:
            backlog.forget("one")
        before = len(backlog)
        item = backlog.take(device, idle)
        taken += [item] if item else []
        assert len(backlog) == before - bool(item)
        assert item or not idle or not before
    while item := backlog.take("last", idle=True):
        taken.append(item)
    assert len(backlog) == 0
    for symbol in "ABCDE":
        assert [t for t in taken if symbol_of(t) == symbol] == [i for i in items if symbol_of(i) == symbol]
