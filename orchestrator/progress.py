"""What a person sees of a run: a line a phase and a line a device, or plain lines where there is no terminal."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.events import Phase
from schemas.wire import Presence

RATE_WINDOW = 50
PLAIN_EVERY_S = 5.0
ALONE_S = 5.0


@dataclass
class PhaseLine:
    """How far a phase is. Times are monotonic seconds."""

    total: int
    started: float
    done: int = 0
    failed: int = 0
    skipped: int = 0
    before: int = 0
    ended: float | None = None
    status: str = "running"

    def remaining_s(self, now: float) -> float | None:
        """Time left at the rate so far; None before the first result."""
        done = self.done - self.before
        return (now - self.started) / done * (self.total - self.done) if done > 0 and self.done < self.total else None


@dataclass
class DeviceLine:
    """What a device does and how fast; `pid` is its worker's, None while there is none."""

    slots: int = 0
    task: str = ""
    done: int = 0
    pid: int | None = None
    leaving: bool = False
    refused: bool = False
    finished: deque[float] = field(default_factory=lambda: deque(maxlen=RATE_WINDOW))

    def rate(self, now: float) -> float:
        """Pieces of work a second over the last fifty."""
        if len(self.finished) < 2:
            return 0.0
        return (len(self.finished) - 1) / max(now - self.finished[0], 1e-9)


class Progress:
    """Collects what happens; a console shows it live if it is a terminal, in plain lines if not."""

    def __init__(self, console: Console, run_id: str) -> None:
        self._console, self._run_id = console, run_id
        self._phases: dict[Phase, PhaseLine] = {}
        self._devices: dict[str, DeviceLine] = {}
        self._live = (
            Live(console=console, get_renderable=self._render, refresh_per_second=5, transient=True)
            if console.is_terminal
            else None
        )
        self._said: dict[Phase, float] = {}
        self._alone_since: float | None = None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        """One line that stays on screen."""
        self._console.print(Text(text), soft_wrap=True)

    def phase_begins(self, phase: Phase, total: int, done: int = 0, skipped: int = 0) -> None:
        """`total` pieces of work, of which `done` have ended already, `skipped` of them by the plan."""
        self._phases[phase] = PhaseLine(total, time.monotonic(), done=done, skipped=skipped, before=done)
        if not self._live:
            self._plain(phase, f"begins, {total} to do" if total > 1 else "begins")

    def advance(self, phase: Phase, *, failed: bool = False, skipped: bool = False) -> None:
        line = self._phases[phase]
        line.done += 1
        line.failed += failed
        line.skipped += skipped
        if not self._live and time.monotonic() - self._said.get(phase, 0.0) > PLAIN_EVERY_S and line.done < line.total:
            self._plain(phase, f"{line.done}/{line.total}{_counts(line)}")

    def phase_ends(self, phase: Phase, status: str) -> None:
        line = self._phases[phase]
        line.ended, line.status = time.monotonic(), status
        if not self._live:
            self._plain(phase, f"{status}{_counts(line)} in {line.ended - line.started:.1f} s")

    def fleet(self, present: Mapping[str, Presence], versions: Mapping[str, str]) -> None:
        """The devices that are there now; those with other `versions` get no work."""
        for name, presence in present.items():
            line = self._devices.setdefault(name, DeviceLine())
            count, pid = presence.device.slots, line.pid
            line.slots, line.pid = count, presence.pid
            if pid is None and not self._live:
                self.note(f"device {name} is here, {_plural(count, 'slot')}")
            elif pid not in (None, presence.pid):
                self.note(f"device {name}: its worker, process {pid}, is lost; process {presence.pid} is in its place")
            if presence.draining and not line.leaving:
                self.note(f"device {name} is leaving: it finishes what it runs")
            line.leaving = presence.draining
            self._refuse(line, presence, versions)
        for name, line in self._devices.items():
            if line.pid is not None and name not in present:
                self.note(f"device {name} {'has left' if line.leaving else 'is lost'}")
                line.pid, line.leaving = None, False
        self._say_if_alone(present)

    def _refuse(self, line: DeviceLine, presence: Presence, versions: Mapping[str, str]) -> None:
        other = [name for name, wanted in versions.items() if presence.versions.get(name) != wanted]
        if other and not line.refused:
            name = other[0]
            self.note(
                f"device {presence.device.name} gets no work: it has {name} {presence.versions.get(name, 'not')}, "
                f"this run {versions[name]}; install the same there"
            )
        line.refused = bool(other)

    def _say_if_alone(self, present: Mapping[str, Presence]) -> None:
        if present:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
        elif 0 < self._alone_since < time.monotonic() - ALONE_S:
            self.note("no worker is there; waiting for one to start")
            self._alone_since = 0.0

    def device_takes(self, device: str, task: str) -> None:
        self._devices.setdefault(device, DeviceLine()).task = task

    def device_done(self, device: str) -> None:
        line = self._devices.setdefault(device, DeviceLine())
        line.done += 1
        line.finished.append(time.monotonic())

    def _plain(self, phase: Phase, text: str) -> None:
        self._said[phase] = time.monotonic()
        self.note(f"{phase}: {text}")

    def _render(self) -> Group:
        now = time.monotonic()
        phases = Table.grid(padding=(0, 1))
        for phase, line in self._phases.items():
            phases.add_row(*_phase_cells(phase, line, now))
        open_phases = [line for line in self._phases.values() if line.ended is None]
        left = max((line.remaining_s(now) or 0.0 for line in open_phases), default=0.0)
        devices = Table.grid(padding=(0, 1))
        for name, device in self._devices.items():
            devices.add_row(*_device_cells(name, device, now, left))
        return Group(Text(f"run {self._run_id}", style="bold"), phases, devices)


def _phase_cells(phase: Phase, line: PhaseLine, now: float) -> tuple[Text | ProgressBar, ...]:
    styles = {"success": "green", "failed": "red", "running": "cyan"}
    elapsed = (now if line.ended is None else line.ended) - line.started
    remaining = line.remaining_s(now) if line.ended is None else None
    left = f" {remaining:.0f} s left" if remaining is not None else ""
    return (
        Text(phase, style=styles.get(line.status, "yellow")),
        ProgressBar(
            total=max(line.total, 1), completed=line.total if line.status == "success" else line.done, width=16
        ),
        Text(f"{line.done}/{line.total}{_counts(line)}" if line.total > 1 else line.status),
        Text(f"{elapsed:.1f} s{left}", style="dim"),
    )


def _device_cells(name: str, device: DeviceLine, now: float, left_s: float) -> tuple[Text, ...]:
    if device.pid is None:
        return Text(name, style="red"), Text("lost"), Text("")
    task = Text(device.task, overflow="ellipsis", no_wrap=True)
    left = f", {left_s:.0f} s left" if left_s else ""
    return Text(name, style="blue"), task, Text(f"{device.rate(now):.1f}/s{left}", style="dim")


def _counts(line: PhaseLine) -> str:
    parts = [f"{count} {word}" for count, word in ((line.skipped, "skipped"), (line.failed, "failed")) if count]
    return f" ({', '.join(parts)})" if parts else ""


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
