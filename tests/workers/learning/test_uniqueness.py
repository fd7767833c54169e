"""Uniqueness of labels: the share of each label's bars that is its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples, label_spans
from workers.bars.series import Floats, Ints
from workers.learning.labels import uniqueness


def test_uniqueness_of_the_textbook_spans() -> None:
    """Spans over bars 1-3, 3-4 and 5-6 (Lopez de Prado 4.5), decided a bar before each, have uniqueness 5/6, 3/4, 1."""
    t0, t1 = np.array([0, 2, 4]), np.array([3, 4, 6])
    assert uniqueness(t0, t1) == pytest.approx([5 / 6, 3 / 4, 1])


@examples(150)
@given(spans=label_spans(min_rows=1, max_rows=60))
def test_uniqueness_is_the_mean_share_of_each_bar(spans: tuple[Ints, Ints]) -> None:
    """A label's uniqueness is the mean, over its bars (t0, t1], of one over the labels alive there."""
    t0, t1 = spans
    assert uniqueness(t0, t1) == pytest.approx(counted_uniqueness(t0, t1), rel=1e-9)


@examples(30)
@given(spans=label_spans(min_rows=1, max_rows=40), shift=st.integers(0, 5000))
def test_uniqueness_does_not_depend_on_where_the_bars_begin(spans: tuple[Ints, Ints], shift: int) -> None:
    """Moving all spans along the history does not change their uniqueness."""
    t0, t1 = spans
    assert uniqueness(t0 + shift, t1 + shift) == pytest.approx(uniqueness(t0, t1), rel=1e-9)


@examples(50)
@given(spans=label_spans(min_rows=1, max_rows=60))
def test_uniqueness_counts_the_bars_that_labels_cover(spans: tuple[Ints, Ints]) -> None:
    """Uniqueness times length, summed over labels, is the number of bars that any label covers."""
    t0, t1 = spans
    covered = set().union(*(range(a + 1, b + 1) for a, b in zip(t0, t1, strict=True)))
    assert (uniqueness(t0, t1) * (t1 - t0)).sum() == pytest.approx(len(covered))


def test_a_fixed_horizon_is_worth_one_row_per_horizon() -> None:
    """In the interior of back-to-back labels of horizon H each is worth 1/H of a row."""
    t0 = np.arange(100)
    assert uniqueness(t0, t0 + 5)[10:90] == pytest.approx(np.full(80, 0.2))


def test_no_labels_have_no_uniqueness() -> None:
    """An empty set of labels gives an empty answer, not an error."""
    assert len(uniqueness(np.array([], dtype=np.int64), np.array([], dtype=np.int64))) == 0


def counted_uniqueness(t0: Ints, t1: Ints) -> Floats:
    """Uniqueness by counting, bar by bar."""
    spans = list(zip(t0.tolist(), t1.tolist(), strict=True))

    def alive(bar: int) -> int:
        return sum(a < bar <= b for a, b in spans)

    return np.array([np.mean([1 / alive(bar) for bar in range(a + 1, b + 1)]) for a, b in spans])
