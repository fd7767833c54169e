"""The grid and the lanes of devices, from states that are written down here."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.dashboard.grid import grid, median_skill, skill_percent
from orchestrator.dashboard.home import named
from orchestrator.dashboard.lanes import MOST_WITH_BARS, lanes
from orchestrator.dashboard.progress import failures, symbol_table
from orchestrator.dashboard.rendering import lasting
from orchestrator.events.run_state import DeviceState, Failure, Piece, RunState, Span
from schemas.contract.event import EventStatus
from schemas.contract.run import RunStatus
from schemas.contract.task import Metric, Role

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def piece(status: EventStatus, loss: float | None = None) -> Piece:
    """An attempt; with a log loss, beside a base rate of 0.5."""
    metrics: dict[str, Metric] = {} if loss is None else {"scored_log_loss": loss, "scored_prior_log_loss": 0.5}
    return Piece(status, "cpu0@a", 1, NOON, 1.0, metrics=metrics)


def test_a_row_has_a_letter_and_a_skill_per_window() -> None:
    """A symbol without a window on a day has a blank there; a window without a score has no skill."""
    state = RunState("r")
    state.put(state.cell("A", "A_2024-01-01_to_2024-02-01"), Role.STUDENT, piece(EventStatus.SUCCESS, 0.45))
    state.put(state.cell("A", "A_2024-02-01_to_2024-03-01"), Role.TEACHER, piece(EventStatus.IN_PROGRESS))
    state.put(state.cell("B", "B_2024-02-01_to_2024-03-01"), Role.STUDENT, piece(EventStatus.FAILED))
    found = {name: json.loads(text) for name, text in grid(state).items()}
    assert found == {
        "grid": ["2024-01-01", "2024-02-01"],
        "row:A": ["#t", [1000, None]],
        "row:B": [" x", [None, None]],
    }
    assert median_skill(state.symbols["A"]) == pytest.approx(10.0)
    assert median_skill(state.symbols["B"]) is None
    assert skill_percent(state.cells["B_2024-02-01_to_2024-03-01"]) is None


def test_failures_of_one_reason_are_one_row() -> None:
    """The newest reason first, with the time of its newest failure; names beyond the third are counted."""
    state = RunState("r")
    for second, (what, reason) in enumerate([("a", "full"), ("b", "lost"), *((name, "full") for name in "cdea")]):
        state.failures.append(Failure(NOON + timedelta(seconds=second), what, reason))
    (newest, names, why), (_, other, _) = failures(state)
    assert newest.endswith(":05") and why == "full"
    assert [str(each) for each in names.split("<br>")][-1] == "and 1 more" and names.count('class="name"') == 3
    assert ">a<" in names and ">b<" in other


def test_a_finished_run_has_no_columns_of_what_it_has_none_of() -> None:
    """While it goes on every stage has a column; what failed has one in any case."""
    state = RunState("r")
    state.put(state.cell("A", "A_2024-01-01_to_2024-02-01"), Role.STUDENT, piece(EventStatus.SUCCESS, 0.45))
    assert "waiting" in symbol_table(state)["headings"]
    state.status = RunStatus.READY
    assert symbol_table(state)["headings"] == ("symbol", "trained", "skipped", "failed", "median skill, %", "seconds")
    assert symbol_table(state)["rows"] == [("A", "1", "0", "0", "+10.00", "1.0")]


def test_a_setting_that_changed_is_a_few_words() -> None:
    """Of a long list its length, of a path its end."""
    assert named("symbols", ["A", "B", "C", "D"]) == "4 symbols" and named("symbols", ["A"]) == "symbols A"
    assert named("source", "csv:/data/of/mine/bars") == "source csv:…/bars" and named("seed", 8) == "seed 8"
    assert named("timezone", "Asia/Kolkata") == "timezone Asia/Kolkata"


def test_a_duration_has_its_unit() -> None:
    """1:18 alone could be minutes or hours."""
    assert [lasting(each) for each in (8.4, 78.0, 3723.0)] == ["8 s", "1:18 min", "1:02:03 h"]


def spans(device: str) -> list[Span]:
    """Ten seconds of a teacher, then five of a student."""
    ten, fifteen = NOON + timedelta(seconds=10), NOON + timedelta(seconds=15)
    return [
        Span(device, Role.TEACHER, "w", NOON, ten, EventStatus.SUCCESS),
        Span(device, Role.STUDENT, "w", ten, fifteen, EventStatus.FAILED),
    ]


def test_few_devices_have_a_bar_per_attempt() -> None:
    """Bars stand at their times, in percent of the shown span; what runs reaches to now."""
    state = RunState("r")
    device = state.devices["d"] = DeviceState("d", NOON, slots=1)
    device.running[Role.TEACHER, "v"] = NOON + timedelta(seconds=15)
    state.spans.extend(spans("d"))
    found = lanes(state, NOON + timedelta(seconds=20))
    assert found is not None
    places = [(block.x, block.width, block.tone) for block in found.blocks["d"]]
    assert places == [(0.0, 50.0, "good"), (50.0, 25.0, "bad"), (75.0, 25.0, "busy")]
    assert [place for place, _ in found.ticks] == [0.0, 25.0, 50.0, 75.0, 100.0]


def test_many_devices_have_a_strip_of_their_use() -> None:
    """Beyond six devices a lane is a strip: as strong as the share of its slots that were in use."""
    state = RunState("r")
    for number in range(MOST_WITH_BARS + 1):
        state.devices[f"d{number}"] = DeviceState(f"d{number}", NOON, slots=2)
        state.spans.extend(spans(f"d{number}"))
    found = lanes(state, NOON + timedelta(seconds=15))
    assert found is not None
    strip = found.blocks["d0"]
    assert {round(block.opacity, 6) for block in strip} == {0.5}
    assert sum(block.width for block in strip) == pytest.approx(100.0)


def test_a_run_without_attempts_has_no_lanes() -> None:
    """Before the first attempt there is nothing to draw."""
    assert lanes(RunState("r"), NOON) is None
