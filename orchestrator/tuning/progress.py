"""Shows a study while it runs: one line per trial that ended, and in a terminal what runs now."""

import time
from collections.abc import Sequence
from threading import Lock
from types import TracebackType
from typing import Self

from rich.text import Text

from orchestrator.terminal.console import Console
from orchestrator.terminal.run_view import duration
from orchestrator.tuning.result import described
from orchestrator.tuning.study_log import best_of
from orchestrator.tuning.study_view import ending
from schemas.config.tuning import StudySettings
from schemas.contract.numbers import shown
from schemas.contract.study import StudyTrial, TrialState


class Progress:
    """The display of one study; trials report their steps from their threads."""

    def __init__(self, console: Console, settings: StudySettings) -> None:
        self._console, self._settings = console, settings
        self._ended: list[StudyTrial] = []
        self._running: dict[int, tuple[int, int]] = {}
        self._began, self._before = time.monotonic(), 0
        self._status = console.status("") if console.is_terminal else None
        self._lock = Lock()

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def begin(self, ended: Sequence[StudyTrial]) -> None:
        """Count the trials that an earlier process has recorded."""
        self._ended, self._before = list(ended), len(ended)
        if ended:
            self._console.write(f"{len(ended)} of {self._settings.trials} trials have ended before")

    def note(self, text: str) -> None:
        """Print one sentence that stays."""
        self._console.write(text)

    def steps(self, number: int, done: int, steps: int) -> None:
        """Take in how far a trial is."""
        with self._lock:
            self._running[number] = (done, steps)
            self._show()

    def add(self, trial: StudyTrial) -> None:
        """Take in a trial that ended, and print it."""
        with self._lock:
            self._ended.append(trial)
            self._running.pop(trial.number, None)
            self._console.write(f"{_line(trial)}; {self._so_far()}")
            self._show()

    def _so_far(self) -> str:
        best, pruned = best_of(self._ended), sum(each.state is TrialState.PRUNED for each in self._ended)
        parts = [f"{len(self._ended)}/{self._settings.trials}"]
        if best is not None:
            parts.append(f"best {shown(best.value, '+')} (trial {best.number})")
        if pruned:
            parts.append(f"{pruned} pruned")
        left, done = self._settings.trials - len(self._ended), len(self._ended) - self._before
        if left and done:
            seconds = (time.monotonic() - self._began) * left / done
            parts.append(f"about {duration(seconds)} left")
        return ", ".join(parts)

    def _show(self) -> None:
        if self._status is not None:
            running = [f"{number} ({done}/{steps})" for number, (done, steps) in sorted(self._running.items())]
            self._status.update(Text(f"trials and windows: {', '.join(running)}; {self._so_far()}"))


def _line(trial: StudyTrial) -> str:
    return f"trial {trial.number}: {ending(trial)}; {described(trial.chosen)}"
