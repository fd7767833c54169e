"""A candidate is compared with the live release on new days, or else by predictions of the same rows."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.config.target import CLASS
from schemas.config.target import LOSSES as WORDS
from schemas.contract.judgement import NOT_WORSE_THAN_LIVE, Criterion, Ruling
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import RunLayout
from schemas.files.run_files import write_model
from tests.strategies import serving
from tests.workers.judging.runs import FIRST, WARM, stored_run
from tests.workers.judging.test_gates import QUICK
from workers.bars.calendar import day_number
from workers.features.registry import feature_names
from workers.judging.evidence import load
from workers.judging.gates import skill
from workers.judging.gates.live import beside_live as judged_live
from workers.judging.incumbent import Incumbent, incumbent_of
from workers.judging.validation import validate
from workers.models.logistic import Logistic


def validated(layout: RunLayout) -> RunLayout:
    """A stored run with its `validation.json`."""
    write_model(layout.validation, validate(layout))
    return layout


def go_live(release: Path, run_id: str, symbols: tuple[str, ...] = ()) -> None:
    """Write a release of students that predict 0.5 for every bar."""
    current = release / "production" / "current"
    flat = Logistic(np.zeros(len(feature_names())), 0.0, np.zeros(len(feature_names())))
    students = {}
    for symbol in symbols:
        path = current / "students" / symbol / Logistic.file_name
        write_atomic(path, flat.encode(feature_names()))
        write_model(path.with_name("serving.json"), serving(symbol))
        digests = {name: sha256_of(path.with_name(name)) for name in (path.name, "serving.json")}
        students[symbol] = {"folder": symbol, "window": "w", "end": str(FIRST), "sha256": digests}
    values = {"release_id": f"{run_id}.1234", "run_id": run_id, "students": students, "features": feature_names()}
    write_atomic(current / "release.json", json.dumps(values))


def beside_live(data: Path, live: dict[str, Any], candidate: dict[str, Any]) -> Criterion:
    """The test of a candidate against a live release, both of the same world."""
    validated(stored_run(data, run_id="old", gates=QUICK, **live))
    go_live(data / "release", "old")
    layout = validated(stored_run(data, gates=QUICK, **candidate))
    report = skill.judge(load(layout, data / "release"))
    found = next(each for each in report.gate.criteria if each.name == NOT_WORSE_THAN_LIVE)
    if found.ruling is not Ruling.NOT_COMPUTABLE:
        rows = RunLayout.under(data, "old").scored_rows
        assert report.gate.inputs["data/models/old/validation/rows.parquet"] == sha256_of(rows)
    return found


@pytest.mark.parametrize(
    ("live", "candidate", "ruling"),
    [
        ({"signal": 0.6, "flat": True}, {"signal": 0.6}, Ruling.PASS),
        ({"signal": 0.6}, {"signal": 0.6, "flat": True}, Ruling.FAIL),
        ({"signal": 0.6}, {"signal": 0.6}, Ruling.PASS),
        ({"threshold": 0.01}, {"signal": 0.6}, Ruling.NOT_COMPUTABLE),
    ],
)
def test_without_new_days_the_days_that_both_scored_decide(
    tmp_path: Path, live: dict[str, Any], candidate: dict[str, Any], ruling: Ruling
) -> None:
    """Better than what is live or the same passes, worse fails; one of other labels cannot be compared."""
    assert beside_live(tmp_path, live, candidate).ruling is ruling


def test_live_students_are_scored_on_new_days(tmp_path: Path) -> None:
    """On bars after those of the live run its own students predict: a skilled candidate is not worse than flat ones."""
    validated(stored_run(tmp_path, signal=0.6, days=400, run_id="old", gates=QUICK))
    go_live(tmp_path / "release", "old", symbols=("S0", "S1"))
    evidence = load(validated(stored_run(tmp_path, signal=0.6, days=500, gates=QUICK)), tmp_path / "release")
    incumbent = incumbent_of(evidence)
    assert incumbent is not None
    first = FIRST + timedelta(days=7 * 400 // 5)
    rows = evidence.predictions.day > day_number(first) - 1
    new = np.unique(evidence.predictions.day[rows & np.isin(evidence.predictions.symbol, ["S0", "S1"])])
    assert len(incumbent.ours) == len(incumbent.theirs) == len(new) > 90
    assert incumbent.theirs == pytest.approx(np.log(2.0))
    assert incumbent.common_rows == 4 * (400 - WARM - 1)
    found = judged_live(incumbent, 0.05, WORDS[CLASS])
    assert found.ruling is Ruling.PASS and "on 99 days after its bars" in found.reason


def test_a_damaged_live_student_is_named(tmp_path: Path) -> None:
    """A file of the release that is not the recorded one makes the comparison not computable, with its path."""
    validated(stored_run(tmp_path, days=400, run_id="old", gates=QUICK))
    go_live(tmp_path / "release", "old", symbols=("S0",))
    (path,) = (tmp_path / "release").rglob("model.json")
    path.write_bytes(path.read_bytes() + b" ")
    incumbent = incumbent_of(load(validated(stored_run(tmp_path, days=500, gates=QUICK)), tmp_path / "release"))
    assert incumbent is not None and incumbent.why_not is not None and str(path) in incumbent.why_not


RNG = np.random.default_rng(1)
LOSSES = {name: 0.69 + 0.01 * RNG.normal(size=60) for name in ("plain", "noise")}


@pytest.mark.parametrize(
    ("new", "common", "ruling", "words"),
    [
        ((60, 0.0), (200, 0.01), Ruling.PASS, "on 60 days after its bars: equal; 7 of 9 rows of earlier days"),
        ((60, -0.01), (200, 0.01), Ruling.PASS, "on 60 days after its bars: log-loss improvement +0.0"),
        ((60, 0.01), (200, 0.0), Ruling.FAIL, "on 60 days after its bars: log-loss improvement -0.0"),
        ((3, 0.01), (60, 0.0), Ruling.PASS, "on 60 days that both scored, with 3 days after its bars: equal"),
        ((3, 0.01), (60, 0.01), Ruling.FAIL, "on 60 days that both scored"),
        ((3, 0.01), (0, 0.0), Ruling.NOT_COMPUTABLE, "20 are needed"),
    ],
)
def test_new_days_come_first_and_equality_passes(
    new: tuple[int, float], common: tuple[int, float], ruling: Ruling, words: str
) -> None:
    """From 20 new days on only they decide; below, the days that both scored; a refresh of nothing is equal."""
    pairs = []
    for days, worse in (new, common):
        theirs = np.resize(LOSSES["plain"], days)
        pairs.append((theirs + worse * (1.0 + np.resize(LOSSES["noise"], days)), theirs))
    (ours, theirs), (common_ours, common_theirs) = pairs
    incumbent = Incumbent("r", None, ours, theirs, common_ours, common_theirs, common_rows=9, unchanged=7)
    found = judged_live(incumbent, 0.05, WORDS[CLASS])
    assert found.ruling is ruling and words in found.reason


def test_losses_that_differ_by_a_constant_are_judged() -> None:
    """Without a standard error the sign decides; it was "not computable", which rejected every refresh."""
    flat = np.full(60, 0.69)
    for gain, ruling in ((0.01, Ruling.PASS), (-0.01, Ruling.FAIL)):
        assert judged_live(Incumbent("r", None, flat - gain, flat), 0.05, WORDS[CLASS]).ruling is ruling


def test_a_live_release_without_its_run_is_not_passed_over(tmp_path: Path) -> None:
    """If the live release's run is gone, the comparison is not computable; it is not left out."""
    go_live(tmp_path / "release", "gone")
    layout = validated(stored_run(tmp_path, signal=0.6, gates=QUICK))
    report = skill.judge(load(layout, tmp_path / "release"))
    assert not report.gate.passed
    assert "its run cannot be read" in next(c.reason for c in report.gate.criteria if c.name == NOT_WORSE_THAN_LIVE)


def test_where_nothing_is_live_nothing_is_asked(tmp_path: Path) -> None:
    """Without a release in production there is no such test."""
    layout = validated(stored_run(tmp_path, signal=0.6, gates=QUICK))
    report = skill.judge(load(layout, tmp_path / "release"))
    assert NOT_WORSE_THAN_LIVE not in [each.name for each in report.gate.criteria]
