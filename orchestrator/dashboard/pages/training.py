"""Page Training Progress: the state of a run, live or after its end."""

from collections import deque
from datetime import datetime
from typing import Any

import streamlit as st

from orchestrator.dashboard import live_charts, tables
from orchestrator.dashboard.judged import next_step
from orchestrator.dashboard.markup import Cell, bar, mark, number, plain, table
from orchestrator.dashboard.watched import Watched
from orchestrator.events.run_state import RUNNING_STAGES, DeviceState, PhaseState, Stage
from orchestrator.events.run_state import Cell as WindowCell
from orchestrator.runs.follow import condition_of
from orchestrator.terminal.live_view import utc_now
from orchestrator.terminal.run_view import duration
from schemas.contract.event import WINDOW_PHASES, EventStatus
from schemas.contract.run import RunStatus
from schemas.files.layout import log_path
from schemas.files.run_files import read_manifest

NOW_EVERY_S, REST_EVERY_S = 1.0, 2.0
# Drawing ten thousand squares takes a browser some tenths of a second.
MANY_CELLS, MANY_EVERY_S = 2500, 2.0
TRAINING = tuple(WINDOW_PHASES.values())
PICKED, CLOSED = "picked_window", "windows_closed"
SHOWN_LOG_LINES, SHOWN_FAILURES = 40, 20
DEVICE_COLUMNS = ("device", "standing", "slots", "done", "per second", "use", "memory, MiB", "does")
LOG_TAIL_BYTES = 4 * 2**20


def show(watched: Watched) -> None:
    """Draw the whole page of one run."""
    live = not watched.state.over
    many = len(watched.state.cells) > MANY_CELLS
    st.fragment(_now, run_every=NOW_EVERY_S if live else None)(watched, live)
    st.fragment(_grid, run_every=(MANY_EVERY_S if many else NOW_EVERY_S) if live else None)(watched)
    st.fragment(_rest, run_every=REST_EVERY_S if live else None)(watched)


def _now(watched: Watched, live: bool) -> None:
    """Draw the progress of the run."""
    with watched.lock:
        watched.refresh()
        state, now = watched.state, watched.state.clock(utc_now())
        stages, phases = tables.stages(state), [_phase(phase, now) for phase in state.phases.values()]
    if live and watched.state.over:
        st.rerun()
    _tiles(watched, stages)
    st.html(table(("phase", "status", "done", "pieces", "took", "left"), phases, words=("status", "done")))
    st.html(live_charts.distribution(stages))


def _grid(watched: Watched) -> None:
    """Draw the grid of symbols and windows, and the details of the one that was clicked."""
    with watched.lock:
        cells = tables.grid(watched.state)
    if cells.empty:
        st.info("No window is planned yet: the bars are being read.")
        return
    event: Any = st.altair_chart(
        live_charts.grid(cells),
        key=f"grid{st.session_state.get(CLOSED, 0)}",
        on_select="rerun",
        selection_mode=[live_charts.SELECTION],
    )
    # New cells arrive every second, which resets the chart's own selection.
    if picked := event.selection.get(live_charts.SELECTION):
        st.session_state[PICKED] = picked[0]["label"]
    if cell := watched.state.cells.get(st.session_state.get(PICKED, "")):
        _details(watched, cell)
    else:
        st.caption("A click on a window shows its scores, its attempts and its lines in the log.")


def _tiles(watched: Watched, stages: dict[Stage, int]) -> None:
    state, now = watched.state, watched.state.clock(utc_now())
    total = max([sum(stages.values()), *(phase.total for name, phase in state.phases.items() if name in TRAINING)])
    tiles: list[tuple[str, str]] = [("status", state.status)]
    if state.began is not None:
        tiles.append(("elapsed", duration(state.elapsed_s(now))))
    if not watched.state.over:
        left = state.remaining_s(now)
        tiles.append(("training left", duration(left) if left is not None else "not known yet"))
        tiles.append(("models per second", f"{state.throughput(now):.1f}"))
    tiles.append(("trained", f"{stages[Stage.TRAINED]} of {total}"))
    tiles.append(("running", str(sum(stages[stage] for stage in RUNNING_STAGES))))
    tiles.append(("skipped", str(stages[Stage.SKIPPED])))
    tiles.append(("failed", str(stages[Stage.FAILED])))
    with st.container(horizontal=True):
        for name, value in tiles:
            st.metric(name, value, width="content")
    condition = condition_of(watched.layout)
    if condition is not None and condition.reason:
        shown = st.error if condition.status is RunStatus.FAILED else st.warning
        step = "" if condition.status.is_active else f". {next_step(condition, state.run_id)}"
        shown(f"{plain(str(condition))}{step}")
    elif state.message and state.over and state.status not in (RunStatus.READY, state.message):
        st.error(f"{state.status}: {plain(state.message)}")
    if watched.follower.missed:
        st.warning(f"{watched.follower.missed} events are missing: neither the broker nor the log has them.")


def _details(watched: Watched, cell: WindowCell) -> None:
    """Draw all facts of one window, and its log lines."""
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{cell.label}**: {cell.stage}", width="content")
            if st.button("Close"):
                # A chart under another key: this one would report the same selection again.
                del st.session_state[PICKED]
                st.session_state[CLOSED] = st.session_state.get(CLOSED, 0) + 1
                st.rerun(scope="fragment")
        if not cell.pieces:
            st.write("It has not started yet.")
            return
        st.dataframe(_table(("role", "what", "value"), _facts(cell)), hide_index=True)
        lines = _log_lines(watched, cell.label)
        st.caption("Its newest lines in the logs:" if lines else "No log here has a line about it.")
        if lines:
            st.code("\n".join(lines), language=None, wrap_lines=True)


def _facts(cell: WindowCell) -> list[tuple[Any, ...]]:
    """Metrics of teacher and student: role, name, value."""
    rows = []
    for role, piece in cell.pieces.items():
        facts: dict[str, Any] = {
            "status": piece.status.value, "device": piece.device, "attempt": piece.attempt,
            "seconds": piece.duration_s, "message": piece.message,
        }  # fmt: skip
        shown = {name: value for name, value in (facts | piece.metrics).items() if value not in (None, "")}
        rows += [(role.value, name, f"{v:.4g}" if isinstance(v, float) else str(v)) for name, v in shown.items()]
    return rows


def _log_lines(watched: Watched, label: str) -> list[str]:
    """The newest lines that name a window in the run's log, and in those of a fleet's devices beside it."""
    if watched.layout is None:
        return []
    config, run_id = read_manifest(watched.layout).config, watched.state.run_id
    log = log_path(config, run_id)
    found: deque[str] = deque(maxlen=SHOWN_LOG_LINES)
    for path in (log, *(log.with_name(f"{name}.log") for name in watched.state.devices)):
        if path.is_file():
            with path.open("rb") as file:
                file.seek(max(path.stat().st_size - LOG_TAIL_BYTES, 0))
                about = (line for line in file if label.encode() in line and run_id.encode() in line)
                found.extend(line.decode(errors="replace").rstrip() for line in about)
    return list(found)


def _rest(watched: Watched) -> None:
    """Draw what changes slowly: symbols, devices, phases, events."""
    with watched.lock:
        state, now = watched.state, watched.state.clock(utc_now())
        symbols = tables.by_symbol(state) if state.cells else None
        lanes, use, phases = tables.lanes(state, now), tables.use(state), tables.phases(state, now)
        devices = [_device(each, now) for each in state.devices.values()]
        failures = [(f"{each.at.astimezone():%H:%M:%S}", each.what, each.reason) for each in reversed(state.failures)]
    if failures:
        st.subheader("Failures and retries")
        st.html(table(("time", "what", "reason"), failures[:SHOWN_FAILURES], words=("what", "reason")))
    st.subheader("Devices")
    if devices:
        st.html(table(DEVICE_COLUMNS, devices, words=("standing", "use", "does")))
    else:
        st.info("No device has been seen yet.")
    if not lanes.empty:
        st.altair_chart(live_charts.lanes(lanes), key="lanes")
    if not use.empty:
        st.altair_chart(live_charts.use(use), key="use")
    if symbols is not None:
        st.subheader("Symbols")
        st.dataframe(symbols, hide_index=True)
    st.subheader("Phases")
    if not phases.empty:
        st.altair_chart(live_charts.phase_seconds(phases), key="phases")
    st.subheader("Events")
    kinds = st.multiselect("types", sorted({event.event_type.value for event in state.lines}), placeholder="all types")
    text = st.text_input("text", placeholder="a symbol, a window, a device, a word of a message")
    with watched.lock:
        events = tables.events(state, set(kinds), text)
    st.dataframe(events, hide_index=True)


def _phase(phase: PhaseState, now: datetime) -> tuple[Cell, ...]:
    """A phase's row: name, status, share, pieces of work, time, time left."""
    share = 1.0 if phase.status is EventStatus.SUCCESS else phase.done / max(phase.total, 1)
    pieces = f"{phase.done} of {phase.total}" if phase.total > 1 else None
    left = phase.remaining_s(now)
    return (
        phase.name, mark(tables.word_of(phase.status)), bar(share), pieces, duration(phase.elapsed_s(now)),
        None if left is None else duration(left),
    )  # fmt: skip


def _device(device: DeviceState, now: datetime) -> tuple[Cell, ...]:
    """A device's row: name, standing, slots, pieces done, rate, use, memory, present work."""
    does = [f"{role} {label}" for role, label in device.running] or list(device.doing)
    return (
        device.name, mark(device.standing), str(device.slots), str(device.done), f"{device.rate(now):.2f}",
        None if device.use is None else bar(device.use), number(device.memory_mib, ".0f"), ", ".join(does),
    )  # fmt: skip


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Rows as the columns that st.dataframe takes."""
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
