"""Gate `symbols`: which symbols' students beat the simplest prediction, at a bounded false discovery rate."""

from contextlib import suppress

import numpy as np

from schemas.contract.task import Metric
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least, not_computable
from workers.judging.gates.registry import gate
from workers.judging.statistics.diebold_mariano import diebold_mariano
from workers.judging.statistics.false_discovery import adjusted


@gate(
    "symbols",
    "Which symbols' students are better than their base rate on their own?",
    of_values="Which symbols' students are better than their historical mean and than 0 on their own?",
)
def judge(evidence: Evidence) -> Findings:
    """Compare each symbol's students with the base rate by Diebold-Mariano, adjusted after Benjamini and Yekutieli."""
    predictions, settings = evidence.predictions, evidence.settings
    opponent = evidence.validation.opponent
    prior, student = evidence.losses(opponent), evidence.losses("student")
    names = sorted(set(predictions.symbol.tolist()))
    found: dict[str, dict[str, Metric]] = {}
    for name in names:
        mine = predictions.symbol == name
        test = None
        # Rows of one symbol are in order of time, one label per bar. A ValueError: it always predicts the same.
        with suppress(ValueError):
            if mine.sum() >= settings.min_days:
                test = diebold_mariano(student[mine], prior[mine])
        found[name] = {
            "rows": int(mine.sum()), "saved": float((prior - student)[mine].mean()), "p": test.p if test else None,
        }  # fmt: skip
    tested = [name for name in names if found[name]["p"] is not None]
    p = np.array([found[name]["p"] for name in tested], dtype=np.float64)
    for method in ("by", "bh"):
        for name, q in zip(tested, adjusted(p, method) if len(p) else [], strict=True):
            found[name][f"q_{method}"] = float(q)
    passing = tuple(name for name in tested if float(found[name]["q_by"] or 0) <= settings.false_discoveries)
    by_bh = sum(float(found[name]["q_bh"] or 0) <= settings.false_discoveries for name in tested)
    if tested:
        reason = (
            f"{len(passing)} of {len(names)} symbols pass at a false discovery rate of {settings.false_discoveries:g}"
            f" under any dependence (Benjamini-Yekutieli); {by_bh} if they were independent (Benjamini-Hochberg)"
        )
        criterion = at_least("symbols that pass", len(passing), 1, reason, n=len(names))
    else:
        simple = evidence.validation.loss.simple(opponent)
        why = f"no symbol has {settings.min_days} scored rows and predictions other than {simple}"
        criterion = not_computable("symbols that pass", why, n=len(names))
    return Findings((criterion,), symbols=found, passing=passing)
