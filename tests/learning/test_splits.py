"""Splits keep label spans apart: checked span by span, by brute force."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples, label_spans
from workers.bars.series import Ints
from workers.learning.splits import FOLDS, purged_folds, split_tail

Spans = tuple[Ints, Ints]


@examples(100)
@given(spans=label_spans())
def test_no_fitted_label_reaches_the_tail(spans: Spans) -> None:
    """Every fitted row's label has ended before the first bar of the tail."""
    t0, t1 = spans
    split = split_tail(t0, t1)
    assert all(t1[row] < t0[split.tail[0]] for row in split.fit)


@examples(100)
@given(spans=label_spans())
def test_only_labels_that_reach_the_tail_are_purged(spans: Spans) -> None:
    """A row is purged because its label reaches the tail, and for nothing else."""
    t0, t1 = spans
    split = split_tail(t0, t1)
    assert all(t1[row] >= t0[split.tail[0]] for row in split.purged)


@examples(100)
@given(spans=label_spans(min_rows=1))
def test_each_row_is_fitted_purged_or_tail(spans: Spans) -> None:
    """Fit, purged and tail hold every row once; each is in time order and the tail is the last fifth."""
    t0, t1 = spans
    split = split_tail(t0, t1)
    parts = (split.fit, split.purged, split.tail)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(t0)))
    assert all((np.diff(part) > 0).all() for part in parts)
    assert split.tail.tolist() == list(range(len(t0) - len(split.tail), len(t0)))
    assert len(split.tail) == max(round(len(t0) / 5), 1)


@examples(100)
@given(spans=label_spans(), embargo=st.integers(0, 4))
def test_no_fold_is_fitted_on_a_label_that_overlaps_it(spans: Spans, embargo: int) -> None:
    """No fitted row's bars touch a held-out row's, nor does one begin in the embargo after the block."""
    t0, t1 = spans
    for fold in purged_folds(t0, t1, embargo):
        blocked = set().union(*(range(t0[row], t1[row] + 1) for row in fold.held_out))
        last = max(blocked)
        for row in fold.fit:
            assert blocked.isdisjoint(range(t0[row], t1[row] + 1))
            assert not last < t0[row] <= last + embargo


@examples(100)
@given(spans=label_spans(), embargo=st.integers(0, 4))
def test_folds_keep_every_row_that_is_far_enough(spans: Spans, embargo: int) -> None:
    """A row that ends before a block, or begins after its embargo, is fitted for it: purging takes no more."""
    t0, t1 = spans
    for fold in purged_folds(t0, t1, embargo):
        begin, end = min(t0[row] for row in fold.held_out), max(t1[row] for row in fold.held_out)
        far = [row for row in range(len(t0)) if t1[row] < begin or t0[row] > end + embargo]
        assert fold.fit.tolist() == far


@examples(100)
@given(spans=label_spans())
def test_each_row_is_held_out_once_and_in_order(spans: Spans) -> None:
    """The folds' blocks, one after the other, are all rows in time order, each once."""
    t0, t1 = spans
    folds = purged_folds(t0, t1)
    assert len(folds) == FOLDS
    assert np.concatenate([fold.held_out for fold in folds]).tolist() == list(range(len(t0)))


@examples(50)
@given(spans=label_spans())
def test_the_embargo_is_at_least_one_bar_unless_said(spans: Spans) -> None:
    """Without an argument a fold leaves the bar after its block's last label alone."""
    t0, t1 = spans
    for fold in purged_folds(t0, t1):
        assert not any(t0[row] == t1[fold.held_out].max() + 1 for row in fold.fit)
