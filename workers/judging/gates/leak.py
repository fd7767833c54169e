"""Gate `leak`: whether a model could have used the future, by the windows' certificates and by the run's own bars."""

from collections.abc import Callable
from functools import partial

import numpy as np

from schemas.config.interval import is_intraday
from schemas.contract.artifact import Certificate
from schemas.contract.judgement import Criterion, Part
from schemas.contract.task import Role, Status
from schemas.contract.window import WARMUP_BARS
from schemas.files.atomic import sha256_of
from schemas.files.layout import CERTIFICATE
from schemas.files.run_files import read_model, read_rows
from workers.bars.series import Floats, Series
from workers.devices.arrays import to_host
from workers.features.frame import frame_of
from workers.features.prefix_invariance import reads_ahead
from workers.features.registry import feature_names, model_features
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least, at_most
from workers.judging.gates.registry import gate

CUTS = 8  # places at which histories are cut


@gate("leak", "Did any model use information from the future?")
def judge(evidence: Evidence) -> Findings:
    """Require no certified violation, no feature that changes without later bars, and that a planted leak is found."""
    certificates, inputs = _certificates(evidence)
    intraday = is_intraday(evidence.training.interval)
    cuts = _cuts(evidence)
    honest = sum(bool(changes(series, cut, partial(_features, intraday=intraday))) for series, cut in cuts)
    planted = sum(bool(changes(series, cut, partial(_leaking, intraday=intraday))) for series, cut in cuts)
    criteria = (
        certificates,
        at_most(
            "features that change without later bars", honest, 0,
            f"features changed in {honest} of {len(cuts)} cases when the bars after a random one were removed",
            part=Part.HARD, n=len(cuts),
        ),
        at_least(
            "planted leaks found", planted, len(cuts),
            f"features made to read one bar ahead were found in {planted} of {len(cuts)} cases",
            part=Part.HARD, n=len(cuts),
        ),
    )  # fmt: skip
    return Findings(criteria, inputs)


def changes(series: Series, cut: int, features: Callable[[Series], Floats]) -> list[str]:
    """Return one sentence per feature of the first `cut` bars that changes when the later bars are removed."""
    return reads_ahead(features(series)[:cut], features(series.upto(cut)), feature_names(), 0.0)


def _features(series: Series, intraday: bool) -> Floats:
    return to_host(model_features(frame_of(series, intraday)))


def _leaking(series: Series, intraday: bool) -> Floats:
    honest = _features(series, intraday)
    return np.concatenate([honest[1:], honest[-1:]])


def _cuts(evidence: Evidence) -> list[tuple[Series, int]]:
    """Draw symbols and, for each, the number of bars to keep."""
    rng = np.random.default_rng(evidence.seed)
    names = rng.choice(sorted(evidence.bars), CUTS)
    return [(series, int(rng.integers(WARMUP_BARS, len(series)))) for series in (evidence.bars[name] for name in names)]


def _certificates(evidence: Evidence) -> tuple[Criterion, dict[str, str]]:
    rows = [row for row in read_rows(evidence.layout, Role.TEACHER) if row.status is Status.SUCCESS]
    violations, spans, inputs = 0, 0, {}
    for row in rows:
        path = evidence.layout.artifact(row.window_label, Role.TEACHER) / CERTIFICATE
        certificate = read_model(path, Certificate)
        violations += len(certificate.violations)
        spans += certificate.spans_checked
        inputs[path.relative_to(evidence.layout.folder).as_posix()] = sha256_of(path)
    reason = f"{violations} violations in {len(rows)} certificates over {spans} label spans"
    return at_most("certified violations", violations, 0, reason, part=Part.HARD, n=spans), inputs
