"""Agreement of a student with its teacher, on rows that neither was trained on."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from schemas.contract.artifact import Fidelity
from workers.bars.series import Floats
from workers.scoring.log_loss import log_loss


def fidelity(
    y: NDArray[np.int8], student: Floats, alone: Floats, teacher: Floats, prior: Floats, model_bytes: int
) -> Fidelity:
    """Compare probabilities of one window's scored rows; `alone` is the student without a teacher.

    `prior` has each row's base rate.
    """
    differ = len(y) > 1 and np.ptp(student) > 0 and np.ptp(teacher) > 0
    return Fidelity(
        rows=len(y),
        agreement=float(((student > prior) == (teacher > prior)).mean()) if differ else None,
        rank_correlation=float(spearmanr(student, teacher).statistic) if differ else None,
        mean_difference=float((student - teacher).mean()),
        mean_absolute_difference=float(np.abs(student - teacher).mean()),
        log_loss=log_loss(y, student),
        log_loss_without_teacher=log_loss(y, alone),
        teacher_log_loss=log_loss(y, teacher),
        prior_log_loss=log_loss(y, prior),
        model_bytes=model_bytes,
    )
