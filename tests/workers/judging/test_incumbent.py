"""A candidate is compared with the live release by predictions of the same rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.contract.judgement import Criterion, Ruling
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout
from schemas.files.run_files import write_model
from tests.workers.judging.runs import stored_run
from tests.workers.judging.test_gates import QUICK
from workers.judging.evidence import load
from workers.judging.gates import skill
from workers.judging.validation import validate


def validated(layout: RunLayout) -> RunLayout:
    """A stored run with its `validation.json`."""
    write_model(layout.validation, validate(layout))
    return layout


def beside_live(data: Path, live: dict[str, Any], candidate: dict[str, Any]) -> Criterion:
    """The test of a candidate against a live release, both of the same world."""
    validated(stored_run(data, run_id="old", gates=QUICK, **live))
    current = data / "release" / "production" / "current"
    current.mkdir(parents=True)
    (current / "release.json").write_text(json.dumps({"release_id": "old.1234", "run_id": "old"}))
    layout = validated(stored_run(data, gates=QUICK, **candidate))
    report = skill.judge(load(layout, data / "release"))
    found = next(each for each in report.gate.criteria if each.name == "better than the live release")
    if found.p is not None:
        rows = RunLayout.under(data, "old").scored_rows
        assert report.gate.inputs["data/models/old/validation/rows.parquet"] == sha256_of(rows)
    return found


@pytest.mark.parametrize(
    ("live", "candidate", "ruling"),
    [
        ({"signal": 0.6, "flat": True}, {"signal": 0.6}, Ruling.PASS),
        ({"signal": 0.6}, {"signal": 0.6, "flat": True}, Ruling.FAIL),
        ({"signal": 0.6}, {"signal": 0.6}, Ruling.NOT_COMPUTABLE),
        ({"threshold": 0.01}, {"signal": 0.6}, Ruling.NOT_COMPUTABLE),
    ],
)
def test_only_a_better_candidate_passes(
    tmp_path: Path, live: dict[str, Any], candidate: dict[str, Any], ruling: Ruling
) -> None:
    """Better than what is live passes, worse fails; the same, or one of other labels, cannot be compared."""
    assert beside_live(tmp_path, live, candidate).ruling is ruling


def test_a_live_release_without_its_run_is_not_passed_over(tmp_path: Path) -> None:
    """If the live release's run is gone, the comparison is not computable; it is not left out."""
    current = tmp_path / "release" / "production" / "current"
    current.mkdir(parents=True)
    (current / "release.json").write_text(json.dumps({"release_id": "old.1234", "run_id": "gone"}))
    layout = validated(stored_run(tmp_path, signal=0.6, gates=QUICK))
    report = skill.judge(load(layout, tmp_path / "release"))
    assert not report.gate.passed
    assert "its run cannot be read" in next(
        c.reason for c in report.gate.criteria if c.name == "better than the live release"
    )


def test_where_nothing_is_live_nothing_is_asked(tmp_path: Path) -> None:
    """Without a release in production there is no such test."""
    layout = validated(stored_run(tmp_path, signal=0.6, gates=QUICK))
    report = skill.judge(load(layout, tmp_path / "release"))
    assert "better than the live release" not in [each.name for each in report.gate.criteria]
