"""The cupy path of indicators and features, where there is no GPU: on a fake CuPy that is as narrow as the real one."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.gpu import fake_cupy
from tests.strategies import intraday_walk, part, stacked
from workers.features import indicators
from workers.features.frame import frame_of
from workers.features.registry import FEATURES, model_features

SERIES = [part(intraday_walk(60, a_session, seed), slice(0, 300)) for seed, a_session in enumerate((5, 6, 9))]


def same(found: Any, expected: Any, name: str = "") -> None:
    """On the device, and equal but for the filter's state, which is rounded once more."""
    assert isinstance(found, fake_cupy.Ndarray), name
    np.testing.assert_allclose(found.get(), expected, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("intraday", [False, True])
def test_features_of_one_symbol_stay_on_the_device(cupy: ModuleType, intraday: bool) -> None:
    """From a symbol's bars to its features every array is CuPy's, and has numpy's numbers."""
    frame, host = frame_of(SERIES[0], intraday, xp=cupy), frame_of(SERIES[0], intraday)
    for name, values in frame.raw.items():
        same(values, host.raw[name], name)
    same(model_features(frame), model_features(host))
    assert {"lfilter", "stack", "asarray"} <= fake_cupy.called


@pytest.mark.parametrize("intraday", [False, True])
@pytest.mark.parametrize("bars", [1, 15, 27, 300])
def test_features_of_symbols_at_once_stay_on_the_device(cupy: ModuleType, bars: int, intraday: bool) -> None:
    """The same of several symbols with sessions of their own, and of histories too short for most indicators."""
    series = [part(each, slice(0, bars)) for each in SERIES]
    features = model_features(frame_of(stacked(series), intraday, xp=cupy))
    assert features.shape == (3, bars, len(FEATURES))
    same(features, model_features(frame_of(stacked(series), intraday)))


def test_every_name_of_the_fake_is_used(cupy: ModuleType) -> None:
    """The fake has no name that could hide a call which the features do not make."""
    model_features(frame_of(stacked(SERIES), True, xp=cupy))
    model_features(frame_of(stacked(SERIES), False, xp=cupy))
    assert set(fake_cupy.FUNCTIONS) <= fake_cupy.called


def test_the_fake_refuses_numpy(cupy: ModuleType) -> None:
    """A call of numpy on a device array, or an operand of numpy's, fails here as it does with CuPy."""
    device = cupy.asarray(np.ones(3))
    for mistake in (lambda: np.stack([device]), lambda: device + np.ones(3), lambda: cupy.where(np.ones(3), 1, device)):
        with pytest.raises(TypeError):
            mistake()


def test_a_filters_state_is_cupys_own(cupy: ModuleType) -> None:
    """CuPy's `zi` of two past inputs and one past output continues a filter; one of SciPy's length is refused."""
    b, a, x = cupy.asarray([0.5, 0.2, 0.1]), cupy.asarray([1.0, -0.4]), cupy.asarray(np.arange(9.0))
    _, state = fake_cupy.lfilter(b, a, x[:4], zi=cupy.asarray(np.zeros(3)))
    rest, _ = fake_cupy.lfilter(b, a, x[4:], zi=state)
    np.testing.assert_allclose(rest.get(), fake_cupy.lfilter(b, a, x).get()[4:])
    with pytest.raises(ValueError, match="last axis of 3"):
        fake_cupy.lfilter(b, a, x, zi=cupy.asarray(np.zeros(2)))


def test_the_namespace_is_the_arrays_own(cupy: ModuleType) -> None:
    """numpy for a numpy array, CuPy for any other."""
    assert indicators.namespace(np.ones(1)) is np
    assert indicators.namespace(cupy.asarray(np.ones(1))) is cupy
