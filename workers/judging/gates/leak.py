"""Gate `leak`: whether a model could have used the future, by the windows' certificates and by the run's own bars."""

from collections.abc import Mapping

import numpy as np

from schemas.config.interval import is_intraday
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import Certificate
from schemas.contract.judgement import Criterion, Part
from schemas.contract.task import Role, Status
from schemas.contract.trials import TrialCount
from schemas.contract.window import WARMUP_BARS
from schemas.files.atomic import sha256_of
from schemas.files.layout import CERTIFICATE
from schemas.files.run_files import read_model, read_rows
from workers.bars.series import Floats, Series
from workers.devices.arrays import to_host
from workers.features.chosen import features_of
from workers.features.plugged import TOLERANCE
from workers.features.prefix_invariance import reads_ahead
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least, at_most
from workers.judging.gates.registry import gate

CUTS = 8  # places at which histories are cut


@gate("leak", "Did any model use information from the future?")
def judge(evidence: Evidence) -> Findings:
    """Require no certified violation, no feature that changes without later bars, and that a planted leak is found."""
    certificates, inputs = _certificates(evidence)
    cases = _cases(evidence)
    tolerance = 0.0 if evidence.training.plugged is None else TOLERANCE
    honest = sum(bool(changes(*case, tolerance)) for case in cases)
    leaking = [(_one_bar_ahead(whole), _one_bar_ahead(prefix)) for whole, prefix in cases]
    planted = sum(bool(changes(*case, tolerance)) for case in leaking)
    criteria = (
        certificates,
        at_most(
            "features that change without later bars", honest, 0,
            f"features changed in {honest} of {len(cases)} cases when the bars after a random one were removed",
            part=Part.HARD, n=len(cases),
        ),
        at_least(
            "planted leaks found", planted, len(cases),
            f"features made to read one bar ahead were found in {planted} of {len(cases)} cases",
            part=Part.HARD, n=len(cases),
        ),
        *_on_study(evidence),
    )  # fmt: skip
    return Findings(criteria, inputs)


def _on_study(evidence: Evidence) -> tuple[Criterion, ...]:
    """Of a run whose settings a study chose: that it scores no day of the study."""
    name = evidence.manifest.config.study
    counted = read_model(evidence.layout.trials, TrialCount).studies if name is not None else ()
    first = evidence.validation.first
    return tuple(
        at_most(
            "scored days that chose the settings", max((each.until - first).days, 0), 0,
            f"study {name} chose the settings by labels that end before {each.until}; days are scored from {first} on",
            part=Part.HARD, n=each.trials,
        )
        for each in counted if each.name == name
    )  # fmt: skip


def changes(whole: Floats, prefix: Floats, tolerance: float = 0.0) -> list[str]:
    """Return one sentence per feature of the bars of `prefix` that differs in `whole`, where later bars follow."""
    return reads_ahead(whole[: len(prefix)], prefix, [f"number {each}" for each in range(prefix.shape[1])], tolerance)


def _one_bar_ahead(features: Floats) -> Floats:
    return np.concatenate([features[1:], features[-1:]])


def _cases(evidence: Evidence) -> list[tuple[Floats, Floats]]:
    """Draw symbols and, for each, a number of bars to keep; return its features of all bars, and of those alone.

    Features that compare symbols are computed without the later bars of any of the scored ones.
    """
    rng = np.random.default_rng(evidence.seed)
    names = rng.choice(sorted(evidence.bars), CUTS)
    compared = evidence.training.feature_set.compares
    drawn = evidence.bars if compared else {name: evidence.bars[name] for name in names}
    whole = _features(drawn, evidence.training)
    cases = []
    for name in names:
        series, cuts = evidence.bars[name], np.arange(WARMUP_BARS, len(evidence.bars[name]))
        if compared:
            # Where too few symbols have bars, features are constants, and no leak could be seen.
            before, after = whole[name][cuts - 1], whole[name][cuts]
            cuts = cuts[((before != after) & np.isfinite(before) & np.isfinite(after)).any(axis=1)]
        if not len(cuts):
            continue
        last = series.timestamp[cuts[int(rng.integers(len(cuts)))] - 1]
        kept = evidence.bars if compared else {name: series}
        known = {
            each: bars.upto(int(np.searchsorted(bars.timestamp, last, side="right"))) for each, bars in kept.items()
        }
        cases.append((whole[name], _features(known, evidence.training)[name]))
    return cases


def _features(bars: Mapping[str, Series], settings: TrainingSettings) -> dict[str, Floats]:
    found = features_of(bars, settings.feature_set, is_intraday(settings.interval))
    return {name: to_host(values) for name, values in found.items()}


def _certificates(evidence: Evidence) -> tuple[Criterion, dict[str, str]]:
    rows = [row for row in read_rows(evidence.layout, Role.TEACHER) if row.status is Status.SUCCESS]
    violations, spans, inputs = 0, 0, {}
    for row in rows:
        path = evidence.layout.artifact(row.window_label, Role.TEACHER) / CERTIFICATE
        certificate = read_model(path, Certificate)
        violations += len(certificate.violations)
        spans += certificate.spans_checked
        inputs[path.relative_to(evidence.layout.folder).as_posix()] = sha256_of(path)
    reason = f"{violations:,} violations in {len(rows):,} certificates over {spans:,} label spans"
    return at_most("certified violations", violations, 0, reason, part=Part.HARD, n=spans), inputs
