"""The logistic model's columns: standardised in place, as NumPy would on copies."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples, recipe
from workers.models import logistic
from workers.models.base import Fit, Table


@examples(40)
@given(rows=st.integers(1, 90), columns=st.integers(2, 9), seed=st.integers(0, 999), chunk=st.integers(1, 40))
def test_columns_are_standardised_as_on_copies(rows: int, columns: int, seed: int, chunk: int) -> None:
    """Mean, deviation and values have the bits of NumPy's own functions, however many rows are taken at once."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-3, 3, columns) + rng.normal(size=columns)
    x[rng.random(x.shape) < 0.1] = np.nan
    observed = np.isfinite(x)
    fill = np.where(observed, x, 0.0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    filled = np.where(observed, x, fill)
    scale = filled.std(axis=0)
    scale[scale < 1e-12] = np.inf
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logistic, "COPIED_ROWS", chunk)
        found = Table(x).gathered(ones=1)
        mean, deviation = logistic._standardise(found[:, :-1])
    assert mean.tobytes() == fill.tobytes()
    assert deviation.tobytes() == scale.tobytes()
    assert found[:, :-1].tobytes() == ((filled - fill) / scale).tobytes()


def test_a_fit_needs_its_columns_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits on the same rows share one array of columns, and make no other of its size."""
    monkeypatch.setattr(logistic, "CHUNK_ROWS", 8192)
    rng = np.random.default_rng(0)
    x, rows = rng.normal(size=(200_000, 12)), 200_000
    fits = [Fit(rng.uniform(size=rows), np.ones(rows), np.zeros(rows)) for _ in range(2)]
    logistic.Logistic.fit(
        x[:9], np.full(9, 0.5), np.ones(9), np.zeros(9), recipe("logistic")
    )  # imports what fits import
    tracemalloc.start()
    try:
        logistic.Logistic.fit_many(Table(x), fits, recipe("logistic"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.7 * x.nbytes
