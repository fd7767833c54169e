"""A real GPU against the CPU: equal indicators and features, similar teachers, all data on the device."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu import SAMPLING_OFF, TOLERANCE, indicators_of, relative_difference
from benchmarks.gpu_device import CPU, Side, why_no_gpu
from benchmarks.gpu_window import HORIZON, matrix, once, rows_of, stacked, to_host, train, walks
from schemas.contract.window import WARMUP_BARS
from workers.features.frame import RAW_INDICATORS, frame_of
from workers.features.registry import FEATURES, model_features

WHY_NOT = why_no_gpu()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(WHY_NOT), reason=f"no GPU: {WHY_NOT}")]
ROUNDS = 50


@pytest.fixture(scope="module")
def gpu() -> Side:
    return Side("cuda", import_module("cupy"))


def test_every_indicator_and_feature_is_the_cpus(gpu: Side) -> None:
    """Of several symbols at once, each indicator and each feature equals the CPU's to 1e-9, undefined bars included."""
    found, expected = indicators_of(gpu), indicators_of(CPU)
    assert len(expected) == len(RAW_INDICATORS) + 1 + len(FEATURES)
    differences = {name: relative_difference(found[name], values) for name, values in expected.items()}
    assert {name: d for name, d in differences.items() if d > TOLERANCE} == {}


@pytest.mark.parametrize("intraday", [False, True])
@pytest.mark.parametrize("bars", [1, 2, 15, 27, 151, 1_025, 46_000])
def test_one_symbol_is_the_cpus(gpu: Side, bars: int, intraday: bool) -> None:
    """Of one symbol, too, from a single bar to many blocks of CuPy's filter."""
    series = walks(1, bars)[0]
    found, expected = (model_features(frame_of(series, intraday, xp=side.xp)) for side in (gpu, CPU))
    assert isinstance(found, gpu.xp.ndarray) and found.shape == expected.shape
    for column, feature in enumerate(FEATURES.values()):
        assert relative_difference(found[:, column], expected[:, column]) <= TOLERANCE, feature.name


def test_symbols_at_once_equal_symbols_alone(gpu: Side) -> None:
    """On the GPU, too, a symbol's features do not depend on which others are computed with it."""
    series = walks(3, 700)
    together = model_features(frame_of(stacked(series), True, xp=gpu.xp))
    for row, each in enumerate(series):
        alone = model_features(frame_of(each, True, xp=gpu.xp))
        assert relative_difference(together[row], to_host(alone)) <= TOLERANCE


def learnt(rows: int = 8_000, seed: int = 0) -> tuple[Any, Any]:
    """Rows whose first two columns decide most labels, a tenth of the values missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(FEATURES)))
    y = (x[:, 0] + 0.5 * x[:, 1] + rng.normal(0.0, 0.5, rows) > 0).astype(np.int8)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, y


def apart(left: Any, right: Any) -> tuple[float, float, float]:
    """|dp| at 50 % and 99 %, and the share of different decisions."""
    left, right = to_host(left), to_host(right)
    middle, most = np.quantile(np.abs(left - right), (0.5, 0.99))
    return float(middle), float(most), float(((left > 0.5) != (right > 0.5)).mean())


def trained(side: Side, x: Any, y: Any, **changes: object) -> Any:
    """A teacher's predictions of the rows that it was trained on, where it was trained."""
    x, y = side.xp.asarray(x), side.xp.asarray(y)
    return train(matrix(x, y), side.device, ROUNDS, changes).inplace_predict(x)


def test_a_gpus_teacher_is_no_further_than_another_seeds(gpu: Side) -> None:
    """The GPU draws rows and columns in its own order: its teacher differs as one of another seed on the CPU does."""
    x, y = learnt()
    on_cpu = trained(CPU, x, y)
    another_seed = apart(on_cpu, trained(CPU, x, y, seed=43))
    found = apart(on_cpu, trained(gpu, x, y))
    assert all(a <= 2.0 * b for a, b in zip(found, another_seed, strict=True)), (found, another_seed)


def test_without_sampling_the_teachers_decide_the_same(gpu: Side) -> None:
    """Without sampling only the rounding of sums differs: 99 of 100 decisions are the same."""
    x, y = learnt()
    middle, most, different = apart(trained(CPU, x, y, **SAMPLING_OFF), trained(gpu, x, y, **SAMPLING_OFF))
    assert middle <= 1e-3 and most <= 0.05 and different <= 0.01, (middle, most, different)


def test_one_model_predicts_the_same_on_both_devices(gpu: Side) -> None:
    """A stored model on the GPU predicts the CPU's probabilities to float32 precision, in a device array."""
    x, y = learnt()
    booster = train(matrix(x, y), "cpu", ROUNDS)
    expected = booster.inplace_predict(x)
    booster.set_param({"device": "cuda"})
    found = booster.inplace_predict(gpu.xp.asarray(x))
    assert isinstance(found, gpu.xp.ndarray)
    np.testing.assert_allclose(found.get(), expected, atol=1e-6)


def test_bars_to_predictions_on_the_device(gpu: Side) -> None:
    """Rows, labels and predictions are the device's own arrays, and training there twice gives the same model."""
    series = walks(2, 600 + WARMUP_BARS + HORIZON)
    x, y = rows_of(series, gpu.xp)
    assert isinstance(x, gpu.xp.ndarray) and isinstance(y, gpu.xp.ndarray)
    first, second = (train(matrix(x, y), "cuda", ROUNDS) for _ in range(2))
    assert isinstance(first.inplace_predict(x), gpu.xp.ndarray)
    assert first.save_raw("ubj") == second.save_raw("ubj")
    assert once(gpu, series, ROUNDS).whole > 0.0
