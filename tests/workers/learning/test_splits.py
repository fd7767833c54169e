"""Splits keep label spans apart: checked span by span, by brute force."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples, label_spans
from workers.bars.series import Ints
from workers.learning.splits import BLOCKS, TAIL, apart, blocks, held_out_sets, split_tail

Spans = tuple[Ints, Ints]


@st.composite
def panel_spans(draw: st.DrawFn) -> Spans:
    """Label spans of several symbols together, in order of their decisions: many are decided at one instant."""
    members = [draw(label_spans()) for _ in range(draw(st.integers(1, 3)))]
    t0, t1 = (np.concatenate(parts) for parts in zip(*members, strict=True))
    order = np.argsort(t0, kind="stable")
    return t0[order], t1[order]


@examples(100)
@given(spans=panel_spans())
def test_blocks_are_equal_parts_in_time(spans: Spans) -> None:
    """Four blocks in order; what is decided at one instant is in one; no block misses a quarter by more than an
    instant's rows."""
    t0, _ = spans
    block = blocks(t0)
    assert (np.diff(block) >= 0).all()
    assert all(len(set(block[t0 == instant])) == 1 for instant in set(t0.tolist()))
    crowd = max(np.unique(t0, return_counts=True)[1])
    counts = np.bincount(block, minlength=BLOCKS)
    assert abs(counts - len(t0) / BLOCKS).max() <= 1 + 2 * crowd
    assert counts[TAIL] > 0


@examples(100)
@given(spans=panel_spans(), embargo=st.integers(0, 4), data=st.data())
def test_apart_are_exactly_the_rows_that_touch_nothing_held_out(
    spans: Spans, embargo: int, data: st.DataObject
) -> None:
    """Kept is each row whose bars, widened by the embargo, meet none from a held-out block's first to its last."""
    t0, t1 = spans
    block = blocks(t0)
    held_out = data.draw(st.sampled_from(held_out_sets(True)))
    forbidden = set()
    for each in held_out:
        mine = block == each
        if mine.any():
            forbidden |= set(range(t0[mine].min() - embargo, t1[mine].max() + embargo + 1))
    expected = [i for i in range(len(t0)) if forbidden.isdisjoint(range(t0[i], t1[i] + 1))]
    assert apart(t0, t1, block, held_out, embargo).tolist() == expected


@examples(100)
@given(spans=panel_spans(), embargo=st.integers(0, 4))
def test_no_fitted_label_reaches_the_tail(spans: Spans, embargo: int) -> None:
    """Every fitted row's label has ended more than the embargo before the tail's first bar, every purged one's not."""
    t0, t1 = spans
    split = split_tail(t0, t1, embargo)
    first = t0[split.tail].min()
    assert all(t1[row] + embargo < first for row in split.fit)
    assert all(t1[row] + embargo >= first for row in split.purged)


@examples(100)
@given(spans=panel_spans())
def test_each_row_is_fitted_purged_or_tail(spans: Spans) -> None:
    """Fit, purged and tail hold every row once; the tail is the last block."""
    t0, t1 = spans
    split = split_tail(t0, t1, 1)
    parts = (split.fit, split.purged, split.tail)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(t0)))
    assert split.tail.tolist() == np.flatnonzero(blocks(t0) == TAIL).tolist()


def test_models_go_without_each_block_and_each_two() -> None:
    """The sets of blocks that out-of-fold models know nothing of: all single ones first, in order, then all pairs."""
    assert held_out_sets(False) == [(0,), (1,), (2,), (3,)]
    assert held_out_sets(True) == [(0,), (1,), (2,), (3,), *combinations(range(4), 2)]
