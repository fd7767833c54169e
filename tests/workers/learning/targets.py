"""What a run gives its models: known labels of the symbols, and a teacher in memory instead of a file."""

from collections.abc import Mapping

import numpy as np

from schemas.config.training import TrainingSettings
from schemas.contract.artifact import LabelCount
from schemas.contract.window import PANEL, Span, Window
from workers.learning.history import History, times_of, times_of_panel
from workers.learning.splits import BLOCKS
from workers.learning.student import TeacherTargets
from workers.learning.window import TrainedTeacher, teacher_inputs
from workers.learning.window_student import (
    ScoredRows,
    TeacherScores,
    TrainedStudent,
    fit_window_student,
    scored_rows,
)
from workers.models.booster import Booster


def targets_for(trained: TrainedTeacher, *symbols: str) -> TeacherTargets:
    """A teacher's out-of-fold predictions for the student of these symbols."""
    sample = trained.sample
    names = np.array(sample.symbols, dtype=object)[sample.member]
    mine = np.flatnonzero(np.isin(names, symbols))
    without = trained.out_of_fold[mine] if len(trained.held_out) > BLOCKS else None
    return TeacherTargets(
        names[mine], sample.row[mine], trained.block[mine].astype(np.int64), trained.fitted_by[mine],
        trained.own[mine], without,
    )  # fmt: skip


def scores_for(
    trained: TrainedTeacher, histories: Mapping[str, History], rows: ScoredRows, settings: TrainingSettings
) -> TeacherScores:
    """What a teacher predicts for scored rows."""
    offset, margin = np.empty((2, len(rows)))
    for number, symbol in enumerate(rows.symbols):
        mine = rows.member == number
        x = teacher_inputs(histories, {symbol: rows.row[mine]}, settings)[symbol]
        margin[mine] = Booster(trained.teacher.booster).margin(x)
        offset[mine] = trained.teacher.offsets[trained.sample.symbols.index(symbol)]
    return TeacherScores(offset, margin)


def student_for(
    histories: Mapping[str, History], window: Window, settings: TrainingSettings, trained: TrainedTeacher
) -> TrainedStudent:
    """The student of a window, of one symbol or of the panel, with a teacher in memory. Raises Skip."""
    learned = histories if window.symbol == PANEL else {window.symbol: histories[window.symbol]}
    rows = scored_rows(learned, window, settings)
    return fit_window_student(
        learned, window, settings, counts_for(histories, window, settings), targets_for(trained, *rows.symbols), rows,
        scores_for(trained, histories, rows, settings),
    )  # fmt: skip


def counts_for(histories: Mapping[str, History], window: Span, settings: TrainingSettings) -> dict[str, LabelCount]:
    """The labels of each symbol that are known at the window's end."""
    if settings.label == "rank":
        ranked = times_of_panel({symbol: history.series for symbol, history in histories.items()}, settings)
        return {symbol: times.count(window.end) for symbol, times in ranked.items()}
    return {symbol: times_of(history.series, settings).count(window.end) for symbol, history in histories.items()}
