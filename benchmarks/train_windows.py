"""Trains the windows of a generated market in this process, as a run does on its devices."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from benchmarks.markets import Market
from orchestrator.planning.windows import lay_windows
from schemas.config.run import RunConfig
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import KnownLabels
from schemas.contract.window import PANEL, WARMUP_BARS, Window
from workers.bars.calendar import day_of
from workers.learning.base_rate import label_times
from workers.learning.history import History
from workers.learning.skip import Skip
from workers.learning.window import TrainedTeacher, fit_window_teacher
from workers.learning.window_student import TrainedStudent, fit_window_student, scored_rows, teacher_scores

WINDOW_DAYS = 180
# What a run is asked for, by name.
SETUPS: dict[str, dict[str, Any]] = {
    "symbol": {"scope": "symbol"},
    "panel teacher, symbol students": {"scope": "panel", "student_scope": "symbol"},
    "panel": {"scope": "panel"},
    "panel, rank label": {"scope": "panel", "label": "rank"},
}


def settings_of(market: Market, setup: str, **more: object) -> TrainingSettings:
    """Settings of a run over all days of a market."""
    session = next(iter(market.bars.values())).session
    return RunConfig(
        symbols=tuple(market.bars), source="csv:none", timezone="UTC", start_date=day_of(session[0]),
        end_date=day_of(session[-1]), threshold=0.0, **SETUPS[setup], **more,
    ).training()  # fmt: skip


def windows_of(market: Market, step_days: int) -> Iterator[list[Window]]:
    """All whole windows, those of the same days together."""
    session = next(iter(market.bars.values())).session
    span = day_of(session[WARMUP_BARS]), day_of(session[-1]) - timedelta(days=step_days)
    laid = [lay_windows(symbol, *span, WINDOW_DAYS, step_days) for symbol in market.bars]
    for together in zip(*laid, strict=True):
        if (together[0].end - together[0].start).days == WINDOW_DAYS:
            yield list(together)


def students_of(
    histories: Mapping[str, History], windows: list[Window], settings: TrainingSettings
) -> Iterator[tuple[Window, TrainedStudent]]:
    """The students of windows of the same days; windows that are skipped are left out."""
    counts = {
        symbol: label_times(each.series, each.labels, each.used, settings).count(windows[0].end)
        for symbol, each in histories.items()
    }
    for taught in [windows] if settings.scope == "panel" else [[window] for window in windows]:
        learned = {window.symbol: histories[window.symbol] for window in taught}
        with suppress(Skip):
            teacher = fit_window_teacher(learned, taught[0].in_scope(settings.scope), settings, counts, "cpu")
            for window in {
                each.label: each for each in (each.in_scope(settings.scope_of_students) for each in taught)
            }.values():
                with suppress(Skip):
                    yield window, _student(learned, window, settings, counts, teacher)


def _student(
    histories: Mapping[str, History],
    window: Window,
    settings: TrainingSettings,
    counts: Mapping[str, KnownLabels],
    teacher: TrainedTeacher,
) -> TrainedStudent:
    learned = histories if window.symbol == PANEL else {window.symbol: histories[window.symbol]}
    rows = scored_rows(learned, window, settings)
    scores = teacher_scores(teacher.teacher.model, teacher.offsets, histories, rows, settings)
    return fit_window_student(learned, window, settings, counts, teacher.targets(rows.symbols), rows, scores)
