"""Page Progress: the state of a run, live or after its end, in parts that are sent as they change."""

import json
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from markupsafe import Markup

from orchestrator.dashboard.grid import grid, median_skill
from orchestrator.dashboard.lanes import lanes
from orchestrator.dashboard.rendering import Cell, bar, lasting, listed, mark, part
from orchestrator.dashboard.stream import Parts
from orchestrator.dashboard.watched import Watched
from orchestrator.events.run_state import RUNNING_STAGES, DeviceState, Failure, PhaseState, RunState, Stage
from orchestrator.ledger.run_status import RunCondition
from orchestrator.runs.follow import condition_of
from orchestrator.terminal.live_view import utc_now
from schemas.contract.event import WINDOW_PHASES, EventStatus, TrainingEvent
from schemas.contract.run import RunStatus
from schemas.files.run_files import read_manifest

EVERY_S = 1.0
# Long tables are drawn less often: of 10,000 windows they have five times as many bytes as all else.
TABLES_EVERY_S = 3.0
TRAINING = tuple(WINDOW_PHASES.values())
SHOWN_FAILURES, SHOWN_NAMES, SHOWN_EVENTS = 20, 3, 100
# A symbol has few bars if it has less than this share of the median symbol's.
FEW_SHARE = 0.5
# Columns of the table of symbols, and the stages that each counts.
COUNTED: dict[str, tuple[Stage, ...]] = {
    "trained": (Stage.TRAINED,), "taught": (Stage.TAUGHT,), "running": tuple(RUNNING_STAGES),
    "waiting": (Stage.WAITING,), "skipped": (Stage.SKIPPED,), "failed": (Stage.FAILED,),
}  # fmt: skip
ALWAYS_COUNTED = ("trained", "skipped", "failed")


@dataclass
class Drawing:
    """The parts of a run as they were drawn last, and when; all browsers of a run share them."""

    at: float = float("-inf")
    now: Parts = field(default_factory=dict)
    tables_at: float = float("-inf")
    tables: Parts = field(default_factory=dict)


_DRAWN: WeakKeyDictionary[Watched, Drawing] = WeakKeyDictionary()


def parts(watched: Watched) -> Parts:
    """Every part of the page; drawn anew when the last drawing is half a second old, and tables every third second."""
    with watched.lock:
        drawing = _DRAWN.setdefault(watched, Drawing())
        if (clock := time.monotonic()) - drawing.at > EVERY_S / 2:
            watched.refresh()
            state, now = watched.state, watched.state.clock(utc_now())
            drawing.at, drawing.now = clock, _draw_now(watched, now)
            if state.over or clock - drawing.tables_at > TABLES_EVERY_S:
                drawing.tables_at, drawing.tables = clock, _draw_tables(state, now)
        return drawing.now | drawing.tables


def is_over(watched: Watched) -> bool:
    """Whether nothing more will happen unless the run is resumed."""
    with watched.lock:
        return watched.state.over


def stages(state: RunState) -> dict[Stage, int]:
    """Number of windows at each stage."""
    total = sum((symbol.stages for symbol in state.symbols.values()), Counter[Stage]())
    return {stage: total[stage] for stage in Stage}


def total_windows(state: RunState) -> int:
    """Windows that are known: those of the plan, and as long as there is none, those of the phase."""
    known = sum(len(symbol.cells) for symbol in state.symbols.values())
    return max([known, *(phase.total for name, phase in state.phases.items() if name in TRAINING)])


def few_bars(watched: Watched) -> dict[str, int]:
    """Symbols with few bars beside the median symbol of their run, and how many."""
    bars = read_manifest(watched.layout).bars if watched.layout is not None else None
    counts = {name: row.bars for name, row in bars.symbols.items()} if bars is not None else {}
    if not counts:
        return {}
    least = FEW_SHARE * statistics.median(counts.values())
    return {name: count for name, count in counts.items() if count < least}


def _draw_now(watched: Watched, now: datetime) -> Parts:
    state = watched.state
    return {
        "now": part("progress_now", **_now(watched, condition_of(watched.layout), now)),
        "failures": part("progress_failures", failures=failures(state)),
    } | grid(state)


def failures(state: RunState) -> list[tuple[str, Markup, str]]:
    """A row per reason, the newest first: the time of its newest failure, what failed, why."""
    by_reason: dict[str, list[Failure]] = {}
    for each in reversed(state.failures):
        by_reason.setdefault(each.reason, []).append(each)
    rows: list[tuple[str, Markup, str]] = []
    for reason, found in list(by_reason.items())[:SHOWN_FAILURES]:
        names = list(dict.fromkeys(each.what for each in found))
        more = [f"and {len(names) - SHOWN_NAMES} more"] if len(names) > SHOWN_NAMES else []
        whole = [Markup('<span class="name">{}</span>').format(name) for name in names[:SHOWN_NAMES]]
        rows.append((f"{found[0].at.astimezone():%H:%M:%S}", listed([*whole, *more], "<br>"), reason))
    return rows


def _draw_tables(state: RunState, now: datetime) -> Parts:
    return {
        "devices": part(
            "progress_devices",
            devices=[_device(each, now) for each in state.devices.values()],
            lanes=lanes(state, now),
            uses=_uses(state),
        ),
        "symbols": part("progress_symbols", **symbol_table(state)),
        "events": part("progress_events", rows=[_event(each) for each in list(reversed(state.lines))[:SHOWN_EVENTS]]),
    }


def _now(watched: Watched, condition: RunCondition | None, now: datetime) -> dict[str, Any]:
    """What the head of the page shows: tiles, what is wrong, phases, windows by stage."""
    state, count = watched.state, stages(watched.state)
    tiles: list[tuple[str, ...]] = [("status", mark(state.status))]
    if state.began is not None:
        tiles.append(("elapsed", lasting(state.elapsed_s(now))))
    if not state.over:
        left = state.remaining_s(now)
        tiles.append(("training left", "not known yet" if left is None else lasting(left)))
        tiles.append(("models per second", f"{state.throughput(now):.1f}"))
    tiles += [
        ("trained", f"{count[Stage.TRAINED]:,} of {total_windows(state):,}"),
        ("running", f"{sum(count[stage] for stage in RUNNING_STAGES):,}"),
        ("skipped", f"{count[Stage.SKIPPED]:,}"),
        ("failed", f"{count[Stage.FAILED]:,}", "fail" if count[Stage.FAILED] else ""),
    ]
    return {
        "tiles": tiles,
        "trouble": _trouble(state, condition),
        "command": _command(watched, condition),
        "is_final": condition is not None and condition.status is RunStatus.FAILED,
        "missed": watched.follower.missed,
        "refused": watched.follower.refused,
        "phases": [_phase(phase, now) for phase in state.phases.values()],
        "shares": _shares(count),
        "counts": [(stage.value, number) for stage, number in count.items() if number],
    }


def _trouble(state: RunState, condition: RunCondition | None) -> str:
    """Why the run waits or has stopped; empty if it runs or has finished."""
    if condition is not None:
        return str(condition) if condition.reason else ""
    stopped = state.over and state.message and state.status not in (RunStatus.READY, state.message)
    return f"{state.status}: {state.message}" if stopped else ""


def _command(watched: Watched, condition: RunCondition | None) -> str:
    """What to do about a run that has stopped, as a command."""
    if condition is None or watched.layout is None or not condition.can_resume:
        return ""
    return condition.next_command(watched.state.run_id, watched.layout.data_dir)


def _shares(count: dict[Stage, int]) -> list[tuple[str, float, float]]:
    """Stage, place and width, both in percent of the bar of all windows."""
    total, at, found = sum(count.values()), 0.0, []
    for stage, number in count.items():
        if number:
            width = 100.0 * number / total
            found.append((stage.value, at, width))
            at += width
    return found


def word_of(status: EventStatus) -> str:
    """A table's word for a status."""
    return "running" if status is EventStatus.IN_PROGRESS else status.value


def _phase(phase: PhaseState, now: datetime) -> tuple[Cell, ...]:
    """A phase's row: name, status, share, pieces of work, time, time left."""
    share = 1.0 if phase.status is EventStatus.SUCCESS else phase.done / max(phase.total, 1)
    pieces = f"{phase.done:,} of {phase.total:,}" if phase.total > 1 else None
    left = phase.remaining_s(now)
    return (
        phase.name.value.replace("_", " "), mark(word_of(phase.status)), bar(share, phase.name.value), pieces,
        lasting(phase.elapsed_s(now)), None if left is None else lasting(left),
    )  # fmt: skip


def _device(device: DeviceState, now: datetime) -> tuple[Cell, ...]:
    """A device's row: name, standing, slots, pieces done, rate, use, memory, present work."""
    does = [f"{role} {label}" for role, label in device.running] or list(device.doing)
    memory = None if device.memory_mib is None else f"{device.memory_mib:,.0f}"
    return (
        device.name, mark(device.standing), str(device.slots), f"{device.done:,}", f"{device.rate(now):.2f}",
        None if device.use is None else bar(device.use, f"use of {device.name}"), memory, ", ".join(does),
    )  # fmt: skip


def _uses(state: RunState) -> dict[str, str]:
    """Points of each device's use over time, of a drawing that is 100 wide and 20 high."""
    times = [at for device in state.devices.values() for at, _, _ in device.uses]
    if not times:
        return {}
    first, span = min(times), max((max(times) - min(times)).total_seconds(), 1e-3)
    return {
        device.name: " ".join(
            f"{100.0 * (at - first).total_seconds() / span:.1f},{20.0 * (1.0 - min(share, 1.0)):.1f}"
            for at, share, _ in device.uses
        )
        for device in state.devices.values()
        if len(device.uses) > 1
    }


def symbol_table(state: RunState) -> dict[str, Any]:
    """A row per symbol: how many of its windows are at which stage, their median skill and seconds.

    What a run that is over has none of, such as waiting windows, has no column.
    """
    count = stages(state)
    shown = {
        name: of
        for name, of in COUNTED.items()
        if not state.over or name in ALWAYS_COUNTED or any(count[stage] for stage in of)
    }
    rows: list[tuple[Cell, ...]] = []
    for name, symbol in sorted(state.symbols.items()):
        took = sum(piece.duration_s or 0.0 for cell in symbol.cells.values() for piece in cell.pieces.values())
        counts = [sum(symbol.stages[stage] for stage in of) for of in shown.values()]
        median = median_skill(symbol)
        skill = None if median is None else f"{round(median, 2) + 0.0:+.2f}"
        rows.append((name, *(f"{number:,}" for number in counts), skill, f"{took:.1f}"))
    return {"headings": ("symbol", *shown, "median skill, %", "seconds"), "rows": rows}


def _event(event: TrainingEvent) -> tuple[Cell, ...]:
    """An event's row: time, type, status, what it is about, device, message, seconds."""
    what = event.window_label or event.phase or event.device or ""
    seconds = None if event.duration_seconds is None else f"{event.duration_seconds:.2f}"
    return (
        f"{event.timestamp.astimezone():%H:%M:%S}", event.event_type.value, mark(word_of(event.status)), what,
        event.device, event.message, seconds,
    )  # fmt: skip


def grid_data(watched: Watched, drawn: Parts) -> dict[str, Any]:
    """What the page draws its grid from at first: days, rows by symbol, and symbols with few bars."""
    rows = {name.removeprefix("row:"): json.loads(text) for name, text in drawn.items() if name.startswith("row:")}
    return {"columns": json.loads(drawn["grid"]), "rows": rows, "few": few_bars(watched)}
