"""What a run gives its models: known labels of the symbols, and a teacher in memory instead of a file."""

from collections.abc import Mapping

from schemas.config.training import TrainingSettings
from schemas.contract.artifact import KnownLabels
from schemas.contract.window import PANEL, Span, Window
from workers.learning.history import History, times_of, times_of_panel
from workers.learning.window import TrainedTeacher
from workers.learning.window_student import (
    TrainedStudent,
    fit_window_student,
    scored_rows,
    teacher_scores,
)


def student_for(
    histories: Mapping[str, History], window: Window, settings: TrainingSettings, trained: TrainedTeacher
) -> TrainedStudent:
    """The student of a window, of one symbol or of the panel, with a teacher in memory. Raises Skip."""
    learned = histories if window.symbol == PANEL else {window.symbol: histories[window.symbol]}
    rows = scored_rows(learned, window, settings)
    return fit_window_student(
        learned, window, settings, counts_for(histories, window, settings), trained.targets(rows.symbols), rows,
        teacher_scores(trained.teacher.model, trained.offsets, histories, rows, settings),
    )  # fmt: skip


def counts_for(histories: Mapping[str, History], window: Span, settings: TrainingSettings) -> dict[str, KnownLabels]:
    """The labels of each symbol that are known at the window's end."""
    if settings.label_compares:
        compared = times_of_panel({symbol: history.series for symbol, history in histories.items()}, settings)
        return {symbol: times.count(window.end) for symbol, times in compared.items()}
    return {
        symbol: times_of(history.series, settings, symbol).count(window.end) for symbol, history in histories.items()
    }
