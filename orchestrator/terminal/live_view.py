"""Show a run while its events arrive: redrawn in a terminal, as plain lines elsewhere."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.events.run_fold import WINDOW_TYPES, fold, notice
from orchestrator.events.run_state import PhaseState, RunState
from orchestrator.terminal.run_view import RunView
from schemas.contract.event import EventType, TrainingEvent
from schemas.contract.run import Phase, RunStatus

PLAIN_EVERY = timedelta(seconds=5)
DRAWN_PER_SECOND = 3


def utc_now() -> datetime:
    """Current time in UTC."""
    return datetime.now(UTC)


class LiveView:
    """Folds a run's events into `state`; after `show`, the console shows it.

    `now` returns the time for which the run is drawn; a replay passes a clock of its own.
    """

    def __init__(self, console: Console, run_id: str, now: Callable[[], datetime] = utc_now) -> None:
        self.state = RunState(run_id, keeps_metrics=False)
        self._console = console
        self._live: Live | None = None
        if console.is_terminal:
            view = RunView(self.state, now)
            self._live = Live(
                get_renderable=lambda: view, console=console, refresh_per_second=DRAWN_PER_SECOND, transient=True
            )
        self._shown = False
        self._last_line: dict[Phase, datetime] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hide()

    def hide(self) -> None:
        """End the display; notes are still printed."""
        if self._live and self._shown:
            self._live.stop()
        self._live, self._shown = None, False

    def show(self) -> None:
        """Start the display; earlier events appear in the view, but get no line of their own."""
        self._shown = True
        if self._live:
            self._live.start()

    def note(self, text: str) -> None:
        """Print one sentence that stays in the terminal."""
        self._console.print(Text(text), soft_wrap=not self._console.is_terminal)

    def wait_for(self, reason: str) -> None:
        """Show what the run waits for; an empty reason ends that."""
        if not self.state.over:
            self.state.status, self.state.message = RunStatus.WAITING if reason else RunStatus.RUNNING, reason

    def take(self, event: TrainingEvent) -> None:
        """Fold one event in, and print its notice or, without a terminal, the progress of its phase."""
        fold(self.state, event)
        if not self._shown:
            return
        if text := notice(event):
            # The view lists a new device already.
            if not (self._live and event.metrics.get("joined")):
                self.note(text)
        elif not self._live and event.phase is not None and (phase := self.state.phases.get(event.phase)):
            self._plain(event, phase)

    def _plain(self, event: TrainingEvent, phase: PhaseState) -> None:
        if event.event_type is EventType.PHASE_START:
            self._write_line(phase, event.timestamp, f"begins, {phase.total} to do" if phase.total > 1 else "begins")
        elif event.event_type is EventType.PHASE_END:
            seconds = phase.elapsed_s(event.timestamp)
            self._write_line(phase, event.timestamp, f"{phase.status}{counts(phase)} in {seconds:.1f} s")
        elif event.event_type is EventType.PHASE_PROGRESS or event.event_type in WINDOW_TYPES:
            quiet = event.timestamp - self._last_line.get(phase.name, phase.started) <= PLAIN_EVERY
            if not quiet and phase.done < phase.total:
                self._write_line(phase, event.timestamp, f"{phase.done}/{phase.total}{counts(phase)}")

    def _write_line(self, phase: PhaseState, at: datetime, text: str) -> None:
        self._last_line[phase.name] = at
        self.note(f"{phase.name}: {text}")


def counts(phase: PhaseState) -> str:
    """The skipped and failed pieces of a phase, in brackets; empty if there are none."""
    parts = [f"{count} {word}" for count, word in ((phase.skipped, "skipped"), (phase.failed, "failed")) if count]
    return f" ({', '.join(parts)})" if parts else ""
