"""Gate `data`: whether enough of the run was scored."""

import numpy as np

from schemas.contract.task import Role, Status
from schemas.files.run_files import read_rows
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least
from workers.judging.gates.registry import gate


@gate("data", "Were nearly all attempted windows scored, on enough days?")
def judge(evidence: Evidence) -> Findings:
    """Require a share of scored windows and a number of scored days. Files are checked when they are read."""
    rows = read_rows(evidence.layout, Role.STUDENT)
    attempted = [row for row in rows if row.status is not Status.SKIPPED]
    scored = evidence.validation.windows
    days = len(np.unique(evidence.predictions.day))
    settings = evidence.settings
    return Findings((
        at_least(
            "scored windows", scored / len(attempted), settings.min_scored_share,
            f"{scored} of {len(attempted)} attempted windows were trained and scored; {len(rows) - len(attempted)} of"
            f" {len(rows)} were skipped with a reason",
            n=len(attempted),
        ),
        at_least(
            "scored days", days, settings.min_days,
            f"{len(evidence.predictions)} rows on {days} days, {evidence.validation.first} to"
            f" {evidence.validation.last}",
            n=days,
        ),
    ))  # fmt: skip
