"""Draw a run in a terminal: phases, a grid of symbols and windows, one line per device, the last failures."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.events.run_state import RELEASED, RUNNING_STAGES, DeviceState, PhaseState, RunState, Stage
from schemas.contract.event import EventStatus
from schemas.contract.run import RunStatus

# Glyph, its replacement without Unicode, and style. Each has another shape, so colour is not needed.
GLYPHS = {
    Stage.WAITING: ("·", ".", "dim"),
    Stage.TEACHING: ("▹", ">", "cyan"),
    Stage.TAUGHT: ("▪", "o", "blue"),
    Stage.STUDYING: ("▸", ">", "cyan"),
    Stage.TRAINED: ("■", "#", "green"),
    Stage.SKIPPED: ("─", "-", "bright_black"),
    Stage.FAILED: ("✕", "X", "bold red"),
}
# Of windows that share a column, the first of these is drawn.
LOUDEST = (
    Stage.FAILED, Stage.STUDYING, Stage.TEACHING, Stage.WAITING, Stage.TAUGHT, Stage.TRAINED, Stage.SKIPPED,
)  # fmt: skip
PHASE_STYLES = {EventStatus.SUCCESS: "green", EventStatus.FAILED: "red", EventStatus.IN_PROGRESS: "cyan"}
BAR_WIDTH, USE_WIDTH = 16, 8
SHOWN_FAILURES = 3
LEAST_ROWS, NAME_WIDTH = 4, 14
WIDE = 120
JUST_NOW = timedelta(seconds=1.5)


class RunView:
    """A renderable that draws the present `state`, as wide as the console and, unless `whole`, as high."""

    def __init__(self, state: RunState, now: Callable[[], datetime], *, whole: bool = False) -> None:
        self._state, self._now, self._whole = state, now, whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        plain = not options.encoding.lower().startswith("utf")
        height = None if self._whole else options.size.height
        yield draw(self._state, self._now(), options.max_width, height, plain)


def draw(state: RunState, now: datetime, width: int, height: int | None = None, plain: bool = False) -> Group:
    """Draw the whole run, at most `width` columns wide and `height` lines high; `plain` is without Unicode."""
    now = state.clock(now)
    head: list[RenderableType] = [_headline(state, now, plain), *_waiting(state), _phases(state, now, plain)]
    foot: list[RenderableType] = [*_lanes(state, now, width, plain), *_failures(state, plain)]
    used = 1 + len(state.phases) + _lane_count(state, now) + (len(foot) - 1)
    rows = None if height is None else max(height - used - 5, LEAST_ROWS)
    return Group(*head, *_grid(state, width, rows, plain), *foot)


def duration(seconds: float) -> str:
    """Seconds in the form 8 s, 3:05 or 1:02:03."""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.0f} s"
    minutes, hours = whole // 60, whole // 3600
    return f"{hours}:{minutes % 60:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _cut(plain: bool) -> Literal["crop", "ellipsis"]:
    """The overflow of a line that is too long."""
    return "crop" if plain else "ellipsis"


def _headline(state: RunState, now: datetime, plain: bool) -> Text:
    parts = [state.status]
    if state.began is not None:
        parts.append(duration(state.elapsed_s(now)))
    if not state.over:
        if rate := state.throughput(now):
            parts.append(f"{rate:.1f} models/s")
        if (left := state.remaining_s(now)) is not None:
            parts.append(f"training {duration(left)} left")
    elif state.status == RunStatus.READY and state.recommendation:
        parts.append(state.recommendation)
    line = Text(f"run {state.run_id}", style="bold", overflow=_cut(plain), no_wrap=True)
    return line.append(f"  {', '.join(parts)}", style="not bold")


def _waiting(state: RunState) -> list[Text]:
    return [Text(f"waiting: {state.message}", style="yellow")] if state.status == RunStatus.WAITING else []


def _phases(state: RunState, now: datetime, plain: bool) -> Table:
    table = Table.grid(padding=(0, 1))
    for phase in state.phases.values():
        table.add_row(
            Text(phase.name, style=PHASE_STYLES.get(phase.status, "yellow")),
            _bar(phase, plain),
            Text(_how_far(phase)),
            Text(_times(phase, now), style="dim"),
        )
    return table


def _bar(phase: PhaseState, plain: bool) -> RenderableType:
    full = phase.status is EventStatus.SUCCESS
    if plain:
        done = BAR_WIDTH if full else BAR_WIDTH * phase.done // max(phase.total, 1)
        return Text("=" * done + " " * (BAR_WIDTH - done))
    return ProgressBar(
        total=max(phase.total, 1), completed=phase.total if full else phase.done, width=BAR_WIDTH,
        complete_style="cyan", finished_style="green",
    )  # fmt: skip


def _how_far(phase: PhaseState) -> str:
    if phase.total <= 1:
        return phase.status.replace("_", " ")
    parts = [f"{count} {word}" for count, word in ((phase.skipped, "skipped"), (phase.failed, "failed")) if count]
    return f"{phase.done}/{phase.total}" + (f" ({', '.join(parts)})" if parts else "")


def _times(phase: PhaseState, now: datetime) -> str:
    elapsed, left = duration(phase.elapsed_s(now)), phase.remaining_s(now)
    return elapsed if left is None else f"{elapsed}, {duration(left)} left"


# The grid.


def _grid(state: RunState, width: int, rows: int | None, plain: bool) -> list[RenderableType]:
    if not state.symbols:
        return []
    starts = sorted({start for symbol in state.symbols.values() for start in symbol.cells})
    names = min(max(map(len, state.symbols)), NAME_WIDTH)
    room = width - names - 1
    step = 2 if 2 * len(starts) - 1 <= room else 1
    columns = _shared(starts, room)
    shown, rest = _shown_symbols(state, rows)
    lines: list[RenderableType] = [_years(columns, names, step)]
    for symbol in shown:
        cells = state.symbols[symbol].cells
        line = Text(f"{symbol[:names]:<{names}} ", no_wrap=True)
        for column in columns:
            stages = [cells[start].stage for start in column if start in cells]
            glyph, letter, style = GLYPHS[min(stages, key=LOUDEST.index)] if stages else (" ", " ", "")
            line.append(letter if plain else glyph, style)
            line.append(" " * (step - 1))
        line.rstrip()
        lines.append(line)
    if rest:
        total = sum((state.symbols[symbol].stages for symbol in rest), Counter[Stage]())
        tally = ", ".join(f"{total[stage]} {stage}" for stage in Stage if total[stage])
        lines.append(Text(f"and {len(rest)} more symbols: {tally}", style="dim"))
    return [*lines, _legend(plain, shared=len(columns) < len(starts))]


def _shared(starts: Sequence[str], room: int) -> list[Sequence[str]]:
    """The windows' starts in as many columns as fit; each column has the same number."""
    each = -(-len(starts) // max(room, 1))
    return [starts[i : i + each] for i in range(0, len(starts), each)]


def _shown_symbols(state: RunState, rows: int | None) -> tuple[list[str], list[str]]:
    """Symbols to show, in order, and the rest: if they do not all fit, those that run or changed last are shown."""
    names = sorted(state.symbols)
    if rows is None or len(names) <= rows:
        return names, []

    def loudness(name: str) -> tuple[bool, float]:
        symbol = state.symbols[name]
        running = any(symbol.stages[stage] for stage in RUNNING_STAGES)
        return running, symbol.changed.timestamp() if symbol.changed else 0.0

    chosen = set(sorted(names, key=loudness, reverse=True)[: rows - 1])
    return sorted(chosen), [name for name in names if name not in chosen]


def _years(columns: Sequence[Sequence[str]], names: int, step: int) -> Text:
    """The heading: each year above the first column that begins in it, where it fits."""
    line, last = " " * (names + 1), ""
    for place, column in enumerate(columns):
        year, at = column[0][:4], names + 1 + place * step
        if year != last and at >= len(line):
            line = line.ljust(at) + f"{year} "
        last = year
    return Text(line.rstrip()[: names + 1 + len(columns) * step + 3], style="dim", no_wrap=True)


def _legend(plain: bool, *, shared: bool) -> Text:
    words = {
        Stage.TRAINED: "trained", Stage.TAUGHT: "taught", Stage.STUDYING: "running", Stage.WAITING: "waiting",
        Stage.SKIPPED: "skipped", Stage.FAILED: "failed",
    }  # fmt: skip
    line = Text(no_wrap=True, overflow="crop")
    for stage, word in words.items():
        glyph, letter, style = GLYPHS[stage]
        line.append(letter if plain else glyph, style).append(f" {word}  ", "dim")
    return line.append("several windows per column", "dim") if shared else line


# Devices and failures.


def _lane_count(state: RunState, now: datetime) -> int:
    return sum(max(len(_doing(device, now)), 1) for device in state.devices.values())


def _lanes(state: RunState, now: datetime, width: int, plain: bool) -> list[RenderableType]:
    table, cut = Table.grid(padding=(0, 1)), _cut(plain)
    table.add_column(no_wrap=True, overflow=cut, max_width=width // 4)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, overflow=cut, ratio=1)
    table.expand = True
    for device in state.devices.values():
        doing = (_doing(device, now) if not state.over else []) or [_at_rest(device, state)]
        name = Text(device.name, style="red" if device.standing == "lost" else "blue")
        rate = "" if device.gone or state.over else f"{device.rate(now):.1f}/s"
        table.add_row(
            name,
            _use(device, plain, wide=width >= WIDE) if not state.over else Text(""),
            Text(rate, "dim"),
            Text(doing[0]),
        )
        for more in doing[1:]:
            table.add_row("", "", "", Text(more))
    return [table] if state.devices else []


def _doing(device: DeviceState, now: datetime) -> list[str]:
    """The work in progress; between two short windows, the last one."""
    running = [f"{role} {label}" for role, label in device.running]
    if not running and device.last is not None and now - device.last.ended < JUST_NOW:
        running = [f"{device.last.role} {device.last.label}"]
    others = [each for each in device.doing if not each.startswith(("teacher ", "student "))]
    leaving = ["leaving"] if device.standing == "leaving" else []
    return [*running, *others, *leaving]


def _at_rest(device: DeviceState, state: RunState) -> str:
    if device.gone and device.standing != RELEASED:
        return device.standing
    return f"{device.done} models done" if state.over else "idle"


def _use(device: DeviceState, plain: bool, *, wide: bool) -> Text:
    if device.use is None or device.gone:
        return Text("")
    full = round(device.use * USE_WIDTH)
    bar = ("#" if plain else "█") * full + ("." if plain else "░") * (USE_WIDTH - full)
    text = Text(f"{bar} {device.use * 100:3.0f} %", "magenta")
    if wide and device.memory_mib is not None:
        total = f" of {device.memory_total_mib / 1024:.0f} GiB" if device.memory_total_mib is not None else ""
        text.append(f"  {device.memory_mib:.0f} MiB{total}", "dim")
    return text


def _failures(state: RunState, plain: bool) -> list[RenderableType]:
    return [
        Text(
            f"{failure.at.astimezone():%H:%M:%S} {failure.what}: {failure.reason}",
            "red",
            no_wrap=True,
            overflow=_cut(plain),
        )
        for failure in list(state.failures)[-SHOWN_FAILURES:]
    ]
