"""A configuration that was judged before needs evidence from days that its first judgement did not have."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from schemas.contract.judgement import Part, Ruling
from schemas.files.run_files import write_model
from tests.workers.judging.runs import stored_run, tried
from tests.workers.judging.test_gates import QUICK
from workers.bars.calendar import day_number
from workers.judging.evidence import load
from workers.judging.gates.looks import HELD_OUT, looking_again, new_alpha
from workers.judging.trial_log import trials_of
from workers.judging.validation import validate

FIRST = date(2024, 1, 1)
DAY = day_number(FIRST) + np.arange(400)


def test_scale_and_market_are_measured_on_the_days_before() -> None:
    """Whatever happens on new days changes neither beta nor deviation; the first days of overlap are left out."""
    rng = np.random.default_rng(0)
    market = rng.normal(0.0, 0.01, 400)
    daily = 0.5 * market + rng.normal(0.0, 0.002, 400)
    known = FIRST + timedelta(days=199)
    found = new_alpha(DAY, daily, market, known, 5)
    assert found is not None and len(found) == 195
    assert found.std() == pytest.approx(1.0, abs=0.15) and np.corrcoef(found, market[205:])[0, 1] < 0.2
    late = np.where(np.arange(400) < 300, daily, 5.0 * daily)
    changed = new_alpha(DAY, late, market, known, 5)
    assert changed is not None and changed[:95] == pytest.approx(found[:95])
    assert new_alpha(DAY, np.zeros(400), market, known, 5) is None
    assert new_alpha(DAY, daily, market, FIRST - timedelta(days=1), 5) is None


def test_a_first_judgement_has_no_such_test(tmp_path: Path) -> None:
    """Its own tests have their error rates, as on the same days again; with new days, old ones alone do not promote."""
    layout = stored_run(tmp_path, signal=0.6, days=700, gates=QUICK)
    write_model(layout.validation, validate(layout))
    evidence = load(layout, tmp_path / "release")
    assert looking_again(evidence, trials_of(evidence).judged_until) == ()
    tried(layout, looks=1, judged_until=evidence.validation.last)
    assert looking_again(evidence, trials_of(evidence).judged_until) == ()
    (found,) = looking_again(evidence, evidence.validation.last - timedelta(days=1))
    assert found.ruling is Ruling.FAIL and found.n is not None and found.n < 5
    middle = evidence.validation.first + timedelta(days=200)
    (found,) = looking_again(evidence, middle)
    assert found.ruling is Ruling.PASS and found.n is not None and found.n > 300
    assert f"days after {middle}" in found.reason and "20 are needed" in found.reason


@pytest.mark.parametrize(("signal", "ruling"), [(0.6, Ruling.PASS), (0.0, Ruling.FAIL)])
def test_a_final_run_is_tested_once_on_the_held_out_days(tmp_path: Path, signal: float, ruling: Ruling) -> None:
    """Alpha on these days alone, by an ordinary test: they were never looked at. Too few of them are not computable."""
    layout = stored_run(tmp_path, signal=signal, days=700, gates=QUICK)
    write_model(layout.validation, validate(layout))
    evidence = load(layout, tmp_path / "release")
    opened = evidence.validation.first + timedelta(days=300)
    (found,) = looking_again(evidence, None, opened)
    assert found.name == HELD_OUT and found.ruling is ruling and found.n is not None and found.n > 200
    assert found.part is Part.PRIMARY
    (few,) = looking_again(evidence, None, evidence.validation.last - timedelta(days=40))
    assert few.ruling is Ruling.NOT_COMPUTABLE
