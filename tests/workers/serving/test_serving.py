"""Serving computes the same bits as training, with fewer libraries loaded."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import scipy.signal

from schemas.config.features import OWN_FEATURES
from schemas.contract.release import GOLDEN_TOLERANCE
from tests.orchestrator.releases.making import student, walk
from tests.strategies import serving
from workers.features.frame import frame_of
from workers.features.indicators import recursion
from workers.features.registry import model_features
from workers.models.base import sigmoid
from workers.models.logistic import Logistic
from workers.models.stored_student import StoredStudent
from workers.serving import features
from workers.serving.features import newest_features, probe
from workers.serving.golden import differences
from workers.serving.students import predictions_of

LENGTHS = (151, 152, 200, 377, 900, 901, 1114)
KINDS = ((False, 1), (True, 75), (True, 375))
SCRIPT = f"""
import sys
from tests.orchestrator.releases.making import walk
from workers.serving.features import newest_features
for intraday, per_session in {KINDS}:
    series = [walk(seed, bars, per_session=per_session) for seed, bars in enumerate({LENGTHS})]
    sys.stdout.buffer.write(newest_features(series, intraday).tobytes())
assert not {{"scipy", "pandas", "sklearn", "xgboost"}} & set(sys.modules), sorted(sys.modules)
"""


def test_served_features_are_those_of_training_to_the_bit() -> None:
    """Many symbols of any lengths at once, in a process without SciPy: the last row of each symbol's own matrix."""
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    rows = iter(np.frombuffer(result.stdout).reshape(len(KINDS) * len(LENGTHS), -1))
    for intraday, per_session in KINDS:
        for seed, bars in enumerate(LENGTHS):
            alone = model_features(frame_of(walk(seed, bars, per_session=per_session), intraday))[-1]
            np.testing.assert_array_equal(next(rows), alone)


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """However histories are batched, each has the same features, in the requested order."""
    series = [walk(seed, bars) for seed, bars in enumerate(reversed(LENGTHS))]
    whole = newest_features(series, intraday=False)
    monkeypatch.setattr(features, "BATCH", 2)
    np.testing.assert_array_equal(newest_features(series, intraday=False), whole)


@pytest.mark.parametrize(("gain", "decay"), [(2 / 13, 1 - 2 / 13), (1.0, 1 - 1 / 14), (1 / 14, 1 - 1 / 14)])
def test_recursion_is_scipys_filter(gain: float, decay: float) -> None:
    """The same bits as `scipy.signal.lfilter` from the same state, on values of all sizes and signs."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, 700)) * 10.0 ** rng.integers(-6, 6, (5, 700))
    past = rng.normal(size=(5, 1))
    expected = scipy.signal.lfilter([gain], [1.0, -decay], x, axis=-1, zi=past)[0]
    np.testing.assert_array_equal(recursion(gain, decay, x, past), expected)


def test_students_predict_together_as_alone() -> None:
    """Probabilities of many students, each for its own row, are those of `Logistic.margin`; NaN is filled."""
    models = [student(seed) for seed in range(30)]
    served = [
        StoredStudent(
            Logistic(np.asarray(m.coefficients), m.intercept, np.asarray(m.fill)), m.features, serving(), None
        )
        for m in models
    ]
    x = np.random.default_rng(3).normal(size=(30, len(models[0].fill)))
    x[::3, 4] = np.nan
    alone = [float(sigmoid(each.model.margin(x[row : row + 1]))[0]) for row, each in enumerate(served)]
    assert predictions_of(served, ["A"] * 30, x).tolist() == alone


def test_sigmoid_is_right_at_both_ends() -> None:
    """There is no overflow; it is 0 and 1 at the ends, symmetric, and one half in the middle."""
    margin = np.array([-1000.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0])
    found = sigmoid(margin)
    assert found[0] == 0.0 and found[-1] == 1.0 and found[3] == 0.5
    np.testing.assert_allclose(found + sigmoid(-margin), 1.0, rtol=1e-15)
    assert all(a < b for a, b in itertools.pairwise(found[1:6]))


def test_the_probe_has_every_feature() -> None:
    """No feature of its bars is undefined, so any change is seen; the session's position is 0, as for daily bars."""
    assert np.isfinite(probe(OWN_FEATURES)).all()
    assert np.count_nonzero(probe(OWN_FEATURES)) >= len(probe(OWN_FEATURES)) - 2


def test_a_difference_of_large_values_is_a_share_of_them() -> None:
    """A value of millions has last digits above the bound; a probability differs by what it differs."""
    expected = np.array([5e6, -5e6, 0.5, 1e-3])
    found = differences(expected + np.array([1e-9, 1e-9, 1e-9, 1e-9]), expected)
    assert (found <= GOLDEN_TOLERANCE).tolist() == [True, True, False, False]
