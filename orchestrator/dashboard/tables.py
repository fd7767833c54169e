"""Turns a run's state into the data frames behind the dashboard's charts and tables."""

import statistics
from collections import Counter
from datetime import datetime, timedelta

import pandas as pd

from orchestrator.events.run_state import RUNNING_STAGES, Cell, RunState, Span, Stage
from schemas.contract.event import EventStatus
from schemas.contract.task import Role


def grid(state: RunState) -> pd.DataFrame:
    """One row per symbol and window: stage, reason, skill in percent, device, seconds."""
    columns = ["symbol", "window", "label", "stage", "reason", "skill, %", "device", "seconds"]
    return pd.DataFrame([_cell(cell) for cell in state.cells.values()], columns=columns)


def _cell(cell: Cell) -> tuple[object, ...]:
    piece = cell.newest
    seconds = sum(each.duration_s or 0.0 for each in cell.pieces.values())
    return (
        cell.symbol,
        cell.start,
        cell.label,
        cell.stage.value,
        piece.message if piece else "",
        "" if (skill := skill_percent(cell)) is None else f"{skill:+.2f}",
        (piece.device or "") if piece else "",
        f"{seconds:.2f}" if seconds else "",
    )


def skill_percent(cell: Cell) -> float | None:
    """How much lower a student's log loss is than its base rate's, on bars that neither saw; None without a score."""
    student = cell.pieces.get(Role.STUDENT)
    if student is None:
        return None
    loss, prior = student.metrics.get("scored_log_loss"), student.metrics.get("scored_prior_log_loss")
    if not isinstance(loss, int | float) or not isinstance(prior, int | float) or not prior:
        return None
    return round(100.0 * (1.0 - loss / prior), 2)


def stages(state: RunState) -> dict[Stage, int]:
    """Number of cells at each stage."""
    total = sum((symbol.stages for symbol in state.symbols.values()), Counter[Stage]())
    return {stage: total[stage] for stage in Stage}


def by_symbol(state: RunState) -> pd.DataFrame:
    """One row per symbol: how many of its windows are at which stage, their median skill and seconds."""
    rows = []
    for name, symbol in sorted(state.symbols.items()):
        skills = [skill for cell in symbol.cells.values() if (skill := skill_percent(cell)) is not None]
        took = sum(piece.duration_s or 0.0 for cell in symbol.cells.values() for piece in cell.pieces.values())
        running = sum(symbol.stages[stage] for stage in RUNNING_STAGES)
        counts = [symbol.stages[stage] for stage in (Stage.WAITING, Stage.SKIPPED, Stage.FAILED)]
        median = f"{statistics.median(skills):+.2f}" if skills else ""
        trained, taught = symbol.stages[Stage.TRAINED], symbol.stages[Stage.TAUGHT]
        rows.append((name, trained, taught, running, *counts, median, round(took, 1)))
    columns = ["symbol", "trained", "taught", "running", "waiting", "skipped", "failed", "median skill, %", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def phases(state: RunState, now: datetime) -> pd.DataFrame:
    """One row per phase that has begun: its status, and its duration so far in seconds."""
    rows = [(phase.name.value, word_of(phase.status), phase.elapsed_s(now)) for phase in state.phases.values()]
    return pd.DataFrame(rows, columns=["phase", "status", "seconds"])


def word_of(status: EventStatus) -> str:
    """Return a table's word for a status."""
    return "running" if status is EventStatus.IN_PROGRESS else status.value


def lanes(state: RunState, now: datetime) -> pd.DataFrame:
    """One row per attempt on a device, the last ones; a running attempt reaches to now."""
    spans = list(state.spans)
    for device in state.devices.values():
        spans += [
            Span(device.name, role, label, began, now, EventStatus.IN_PROGRESS)
            for (role, label), began in device.running.items()
        ]
    rows = [
        (
            span.device,
            span.role.value,
            span.label,
            span.began,
            max(span.ended, span.began),
            word_of(span.status),
            _took(span),
        )
        for span in spans
    ]
    return pd.DataFrame(rows, columns=["device", "role", "label", "began", "ended", "status", "seconds"])


def _took(span: Span) -> float:
    return round(max(span.ended - span.began, timedelta()).total_seconds(), 3)


def use(state: RunState) -> pd.DataFrame:
    """One row per heartbeat: device, time, use in percent, memory in MiB; thinned to a few hundred per device."""
    rows = [
        (device.name, at, 100.0 * share, memory)
        for device in state.devices.values()
        for at, share, memory in device.uses
    ]
    return pd.DataFrame(rows, columns=["device", "at", "use, %", "memory, MiB"])


def events(state: RunState, kinds: set[str], text: str, last: int = 200) -> pd.DataFrame:
    """The last events, newest first, of some types and with some text in them."""
    rows = []
    for event in reversed(state.lines):
        what = event.window_label or event.phase or event.device or ""
        row = (
            f"{event.timestamp.astimezone():%H:%M:%S}",
            event.event_type.value,
            event.status.value,
            what,
            event.device or "",
            event.message,
        )
        seconds = "" if event.duration_seconds is None else f"{event.duration_seconds:.2f}"
        if (not kinds or event.event_type in kinds) and text.lower() in " ".join(row).lower():
            rows.append((*row, seconds))
        if len(rows) == last:
            break
    return pd.DataFrame(rows, columns=["time", "event", "status", "what", "device", "message", "seconds"])
