"""A run drawn in a terminal, line by line, at two widths; GURUKUL_TEST_WRITE_VIEWS=1 rewrites the expected files."""

import io
import itertools
import os
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.events.run_fold import fold
from orchestrator.events.run_state import RunState
from orchestrator.terminal.run_view import RunView, draw, duration
from schemas.contract.event import EventStatus, EventType
from schemas.contract.run import Phase
from schemas.contract.task import Role
from schemas.contract.window import Window
from tests.orchestrator.events.test_run_fold import START, beat, happens, phase_start, window

VIEWS = Path(__file__).with_name("views")
SYMBOLS = ("BAJAJ-AUTO", "INFY", "M&M", "TCS", "^GSPC")
NOW = START + timedelta(seconds=100)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The viewer's clock is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def windows(symbol: str, count: int = 14) -> list[Window]:
    """Half-years one after another."""
    starts = [date(2015 + i // 2, 1 if i % 2 == 0 else 7, 1) for i in range(count + 1)]
    return [Window(symbol=symbol, start=start, end=end, score_end=end) for start, end in itertools.pairwise(starts)]


def a_run_in_the_middle(symbols: tuple[str, ...] = SYMBOLS) -> RunState:
    """A run with every stage: trained, taught, running, waiting, skipped, failed; a device lost."""
    state = RunState("night")
    fold(state, happens(EventType.RUN_START, EventStatus.IN_PROGRESS))
    planned = [each for symbol in symbols for each in windows(symbol)]
    state.expect(planned)
    fold(state, beat("cpu0@host", "here", slots=1, utilisation=0.97, memory_mib=311.5, memory_total_mib=16384))
    fold(state, beat("cpu1@host", "here", slots=1, utilisation=0.5, memory_mib=300, memory_total_mib=16384))
    fold(state, phase_start(Phase.TEACHER_TRAINING, len(planned)))
    fold(state, phase_start(Phase.STUDENT_TRAINING, len(planned)))
    for place, each in enumerate(planned[: len(planned) // 2]):
        if each.start.year == 2015:
            for role in (Role.TEACHER, Role.STUDENT):
                fold(state, window(each.label, role, EventStatus.SKIPPED, 0, second=1, symbol=each.symbol))
            continue
        device = f"cpu{place % 2}@host"
        fold(state, window(each.label, Role.TEACHER, EventStatus.SUCCESS, 1, device, 50 + place, symbol=each.symbol))
        ends = EventStatus.FAILED if place == 20 else EventStatus.SUCCESS
        if place < len(planned) // 2 - 3:
            what = "label 3 of 12 is not finite in a row that was checked to be complete" if place == 20 else ""
            fold(state, window(each.label, Role.STUDENT, ends, 1, device, 51 + place, symbol=each.symbol, message=what))
    running = planned[len(planned) // 2]
    fold(state, window(running.label, Role.TEACHER, EventStatus.IN_PROGRESS, 1, "cpu0@host", 99, symbol=running.symbol))
    fold(state, beat("cpu1@host", "lost", 98))
    return state


def drawn(state: RunState, width: int, height: int | None = None, *, plain: bool = False) -> list[str]:
    """The drawn lines, without colours."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(draw(state, NOW, width, height, plain))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize(("name", "width", "plain"), [("80", 80, False), ("200", 200, False), ("80-plain", 80, True)])
def test_the_drawing_is_the_stored_one(name: str, width: int, plain: bool) -> None:
    """Line by line as stored, and no line is wider than the terminal."""
    lines = drawn(a_run_in_the_middle(), width, plain=plain)
    path = VIEWS / f"{name}.txt"
    if os.environ.get("GURUKUL_TEST_WRITE_VIEWS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    assert lines == path.read_text().splitlines()
    assert max(map(len, lines)) <= width
    assert not plain or all(line.isascii() for line in lines)


@pytest.mark.parametrize("height", [20, 24, 50])
def test_more_symbols_than_lines_fit_the_screen(height: int) -> None:
    """Two hundred symbols fit any height: those that run or changed last are shown, the others counted."""
    symbols = tuple(f"S{number:03}" for number in range(200))
    lines = drawn(a_run_in_the_middle(symbols), 80, height)
    assert len(lines) <= height
    shown = sum(line.startswith("S") for line in lines)
    assert any(line.startswith(f"and {200 - shown} more symbols: ") for line in lines)
    assert any(line.startswith("S100 ▹") for line in lines), "what runs is shown"


def test_more_windows_than_columns_share_columns() -> None:
    """Four hundred windows per symbol at 80 columns: several per column, and a failure among them is shown."""
    state = RunState("long")
    starts = [date(2000, 1, 1) + timedelta(days=14 * i) for i in range(401)]
    each = [Window(symbol="TCS", start=a, end=b, score_end=b) for a, b in itertools.pairwise(starts)]
    state.expect(each)
    for one in each:
        status = EventStatus.FAILED if one is each[200] else EventStatus.SUCCESS
        fold(state, window(one.label, Role.STUDENT, status, symbol="TCS"))
    row = next(line for line in drawn(state, 80) if line.startswith("TCS"))
    assert len(row) <= 80
    assert row.count("✕") == 1
    assert set(row.removeprefix("TCS ")) == {"■", "✕"}


def test_no_color_leaves_the_shapes() -> None:
    """With NO_COLOR there is not one colour code, and the cells still differ."""
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, _environ={"NO_COLOR": "1", "TERM": "xterm"})
    console.print(RunView(a_run_in_the_middle(), lambda: NOW, whole=True))
    text = stream.getvalue()
    assert "\x1b[3" not in text and "\x1b[9" not in text
    assert all(glyph in text for glyph in "■▪▹·─✕")


def test_durations_are_readable() -> None:
    """Seconds, then minutes, then hours."""
    assert [duration(seconds) for seconds in (0.4, 59, 60, 3599, 3600)] == ["0 s", "59 s", "1:00", "59:59", "1:00:00"]
