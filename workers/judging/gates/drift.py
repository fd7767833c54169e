"""Gate `drift`: whether the latest scored days are distributed like the days before them."""

import numpy as np

from schemas.config.interval import is_intraday
from schemas.contract.task import Metric
from workers.bars.series import Floats
from workers.devices.arrays import to_host
from workers.features.chosen import features_of, names_of
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_most, not_computable, too_few_days
from workers.judging.gates.registry import gate
from workers.judging.statistics.drift import drift

REPETITIONS = 200
BLOCK_DAYS = 20  # about a month, the lookback of most features
SCORE = "student"


@gate("drift", "Are the latest scored days distributed like those before them?")
def judge(evidence: Evidence) -> Findings:
    """Compare each feature, and the student's prediction, in the last quarter of the days with the days before."""
    settings, day = evidence.settings, evidence.predictions.day
    days = np.unique(day)
    name = "drifted features"
    if why := too_few_days(len(days), settings.min_days):
        return Findings((not_computable(name, why, n=len(days)),))
    early = int((day < days[len(days) * 3 // 4]).sum())
    order = np.argsort(evidence.predictions.timestamp, kind="stable")
    columns = _columns(evidence)
    results = drift(
        np.column_stack(list(columns.values()))[order], early,
        block=len(day) / len(days) * max(evidence.min_block_days, BLOCK_DAYS), quantile=settings.drift_quantile,
        repetitions=REPETITIONS, seed=evidence.seed,
    )  # fmt: skip
    found: dict[str, dict[str, Metric]] = {
        feature: {
            "psi": each.psi, "psi_bound": each.psi_threshold, "ks": each.ks, "ks_bound": each.ks_threshold,
            "drifted": each.drifted,
        }
        for feature, each in zip(columns, results, strict=True)
    }  # fmt: skip
    features = [feature for feature in found if feature != SCORE]
    drifted = [feature for feature in features if found[feature]["drifted"]]
    reason = (
        f"{len(drifted)} of {len(features)} features drifted beyond the bootstrap bound"
        f"{': ' + ', '.join(drifted[:5]) if drifted else ''}{' and more' if len(drifted) > 5 else ''};"
        f" the student's {evidence.validation.loss.prediction} {'did' if found[SCORE]['drifted'] else 'did not'}"
    )
    criterion = at_most(name, len(drifted) / len(features), settings.drift_share, reason, n=len(features))
    return Findings((criterion,), symbols=found)


def _columns(evidence: Evidence) -> dict[str, Floats]:
    """Return each feature of every scored row, and the student's prediction, each of shape (rows,)."""
    predictions = evidence.predictions
    chosen, intraday = evidence.training.feature_set, is_intraday(evidence.training.interval)
    features = np.empty((len(predictions), len(names_of(chosen))))
    for symbol, whole in features_of(evidence.bars, chosen, intraday).items():
        mine = np.flatnonzero(predictions.symbol == symbol)
        place = np.searchsorted(evidence.bars[symbol].timestamp, predictions.timestamp[mine])
        features[mine] = to_host(whole)[place]
    return dict(zip(names_of(chosen), features.T, strict=True)) | {SCORE: predictions.student}
