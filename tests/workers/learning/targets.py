"""What a teacher and a student get from a run: known labels of the symbols, and targets without a stored teacher."""

from collections.abc import Mapping

import numpy as np

from schemas.config.training import TrainingSettings
from schemas.contract.artifact import LabelCount
from schemas.contract.window import Span
from workers.learning.history import History, times_of
from workers.learning.window import TeacherTargets, TrainedTeacher


def targets_for(trained: TrainedTeacher, symbol: str) -> TeacherTargets:
    """Targets of the student of `symbol`."""
    mine = np.flatnonzero(trained.sample.member == trained.symbols.index(symbol))
    return TeacherTargets(
        trained.row[mine], trained.block[mine].astype(np.int64), trained.fitted_by[mine], trained.out_of_fold[mine]
    )


def counts_for(histories: Mapping[str, History], window: Span, settings: TrainingSettings) -> dict[str, LabelCount]:
    """The labels of each symbol that are known at the window's end."""
    return {symbol: times_of(history.series, settings).count(window.end) for symbol, history in histories.items()}
