"""The teacher trains where it was told to."""

import warnings

import numpy as np
import pytest

from schemas.errors import RequestError
from workers.learning.splits import split_tail
from workers.learning.teacher import fit_teacher


def test_a_teacher_asked_onto_a_gpu_that_is_not_there_is_an_error() -> None:
    """XGBoost without a usable GPU warns and trains on the CPU; that is refused, not stored."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 3)), (np.arange(80) % 2).astype(np.int8)
    split = split_tail(np.arange(80), np.arange(80) + 2)
    with warnings.catch_warnings(), pytest.raises(RequestError, match="was to train on cuda and trained on cpu"):
        warnings.simplefilter("ignore")
        fit_teacher(x, y, np.ones(80), split, 1, "cuda")
