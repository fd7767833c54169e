"""Could a number be too good because something saw the future? Certificates, and canaries on the run's own bars."""

from collections.abc import Callable
from functools import partial

import numpy as np

from schemas.contract.artifact import Certificate
from schemas.contract.judgement import Criterion
from schemas.contract.task import Role, Status
from schemas.contract.window import WARMUP_BARS
from schemas.files.atomic import sha256_of
from schemas.files.layout import CERTIFICATE
from schemas.files.run_rows import read_model, read_rows
from workers.bars.series import Floats, Series
from workers.devices.arrays import to_host
from workers.features.frame import frame_of
from workers.features.prefix_invariance import reads_ahead
from workers.features.registry import feature_names, model_features
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import above, at_most
from workers.judging.gates.registry import gate

CANARY_CUTS = 8


@gate("leak", "Could anything have seen the future?")
def judge(evidence: Evidence) -> Findings:
    """No certificate names a violation, no feature changes when later bars are gone, and a planted leak is seen."""
    certificates, inputs = _certificates(evidence)
    intraday = evidence.training.interval != "1day"
    cuts = _cuts(evidence)
    honest = sum(bool(changes(series, cut, partial(_features, intraday=intraday))) for series, cut in cuts)
    planted = sum(bool(changes(series, cut, partial(_leaking, intraday=intraday))) for series, cut in cuts)
    criteria = (
        certificates,
        at_most(
            "features without later bars", honest, 0,
            f"features changed {honest} of {len(cuts)} times when the bars after a random one were taken away",
            n=len(cuts),
        ),
        above(
            "planted leak", planted, len(cuts),
            f"features that read one bar ahead on purpose were seen {planted} of {len(cuts)} times", n=len(cuts),
        ),
    )  # fmt: skip
    return Findings(criteria, inputs)


def changes(series: Series, cut: int, features: Callable[[Series], Floats]) -> list[str]:
    """Sentences on the features of the first `cut` bars that change when the rest is taken away."""
    return reads_ahead(features(series)[:cut], features(series.upto(cut)), feature_names(), 0.0)


def _features(series: Series, intraday: bool) -> Floats:
    return to_host(model_features(frame_of(series, intraday)))


def _leaking(series: Series, intraday: bool) -> Floats:
    honest = _features(series, intraday)
    return np.concatenate([honest[1:], honest[-1:]])


def _cuts(evidence: Evidence) -> list[tuple[Series, int]]:
    """Random symbols, and random numbers of bars of theirs that are known; seeded."""
    rng = np.random.default_rng(evidence.seed)
    names = rng.choice(sorted(evidence.bars), CANARY_CUTS)
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
    return at_most("certificates", violations, 0, reason, n=spans), inputs
