"""Agreement of a student with its teacher, on rows that neither was trained on."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from schemas.config.target import CLASS
from schemas.contract.artifact import Fidelity, ValueFidelity
from workers.bars.series import Floats
from workers.scoring.family import Family, LabelValues


def fidelity(
    family: Family, y: LabelValues, student: Floats, alone: Floats, teacher: Floats, prior: Floats, model_bytes: int
) -> Fidelity | ValueFidelity:
    """Compare predictions of one window's scored rows; `alone` is the student without a teacher.

    `prior` has each row's base rate, or historical mean.
    """
    differ = len(y) > 1 and np.ptp(student) > 0 and np.ptp(teacher) > 0
    key, kind = family.loss.key, Fidelity if family.target == CLASS else ValueFidelity
    losses: dict[str, Any] = {
        key: family.mean_loss(y, student),
        f"{key}_without_teacher": family.mean_loss(y, alone),
        f"teacher_{key}": family.mean_loss(y, teacher),
        f"prior_{key}": family.mean_loss(y, prior),
    }
    return kind(
        rows=len(y),
        agreement=float(((student > prior) == (teacher > prior)).mean()) if differ else None,
        rank_correlation=float(spearmanr(student, teacher).statistic) if differ else None,
        mean_difference=float((student - teacher).mean()),
        mean_absolute_difference=float(np.abs(student - teacher).mean()),
        model_bytes=model_bytes,
        **losses,
    )
