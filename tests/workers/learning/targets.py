"""The targets that a teacher gives a student, without storing the teacher."""

import numpy as np

from workers.learning.window import TeacherTargets, TrainedTeacher


def targets_for(trained: TrainedTeacher, symbol: str) -> TeacherTargets:
    """Targets of the student of `symbol`."""
    mine = np.flatnonzero(trained.sample.member == trained.symbols.index(symbol))
    return TeacherTargets(
        trained.row[mine], trained.block[mine].astype(np.int64), trained.fitted_by[mine], trained.out_of_fold[mine]
    )
