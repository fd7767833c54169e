"""The certificate passes sound splits and finds planted leaks of every kind."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.errors import DataError
from schemas.contract.window import Window
from tests.strategies import daily_walk, examples, label_spans, training_settings
from tests.workers.learning.targets import counts_for
from workers.bars.calendar import day_number
from workers.bars.series import Ints
from workers.features.frame import Frame, frame_of
from workers.features.prefix_invariance import reads_ahead
from workers.features.registry import FEATURES, feature_names, model_features
from workers.learning import splits, teacher, window
from workers.learning.certificate import MICROSECONDS_PER_DAY, Spans, certify
from workers.learning.history import prepare
from workers.learning.splits import TAIL, apart, blocks, held_out_sets, split_tail
from workers.learning.window import fit_window_teacher

SETTINGS = training_settings()
WINDOW = Window(symbol="A", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))
END = date(2030, 1, 1)


def sound(t0: Ints, t1: Ints, embargo: int = 1) -> Spans:
    """Splits of label spans, with one bar per day."""
    block = blocks(t0)
    split = split_tail(t0, t1, embargo)
    part = np.full(len(t0), "fit", dtype=object)
    part[split.purged], part[split.tail] = "purged", "tail"
    fitted_by = np.zeros(len(t0), dtype=np.int64)
    for number, held_out in enumerate(held_out_sets(True)):
        fitted_by[apart(t0, t1, block, held_out, embargo)] |= 1 << number
    return Spans(
        t0 * MICROSECONDS_PER_DAY, t1 * MICROSECONDS_PER_DAY, t1, part.tolist(), block.astype(np.int64), fitted_by
    )


def violations(spans: Spans, end: date = END) -> tuple[str, ...]:
    return certify("A_window", end, spans, held_out_sets(True), []).violations


@examples(60)
@given(spans=label_spans(), embargo=st.integers(0, 3))
def test_splits_are_certified(spans: tuple[Ints, Ints], embargo: int) -> None:
    """Whatever the spans, splits leave nothing to find."""
    assert violations(sound(*spans, embargo)) == ()


@examples(60)
@given(spans=label_spans(), data=st.data())
def test_any_purged_row_that_is_fitted_after_all_is_caught(spans: tuple[Ints, Ints], data: st.DataObject) -> None:
    """Putting one row that touches the tail back among the fitted ones is found, and the row's day is named."""
    t0, t1 = spans
    known = sound(t0, t1, embargo=0)
    first = t0[known.block == TAIL].min()
    reaching = np.flatnonzero((known.block < TAIL) & (t1 >= first))
    if not len(reaching):
        return
    row = data.draw(st.sampled_from(reaching.tolist()))
    part = list(known.part)
    part[row] = "fit"
    found = violations(replace(known, part=part))
    assert len(found) == 1 and "was fitted and its label reaches the tail" in found[0]


@examples(60)
@given(spans=label_spans(), number=st.integers(0, 9), data=st.data())
def test_any_model_that_saw_a_row_that_overlaps_is_caught(
    spans: tuple[Ints, Ints], number: int, data: st.DataObject
) -> None:
    """One more bit in `fitted_by`, on a row that touches blocks which the model must not know, is found."""
    t0, t1 = spans
    known = sound(t0, t1)
    held = np.isin(known.block, held_out_sets(True)[number])
    touching = [
        row
        for row in range(len(t0))
        if any(t0[row] <= t1[other] and t0[other] <= t1[row] for other in np.flatnonzero(held))
    ]
    row = data.draw(st.sampled_from(touching))
    fitted_by = known.fitted_by.copy()
    fitted_by[row] |= 1 << number
    found = violations(replace(known, fitted_by=fitted_by))
    assert len(found) == 1 and "was fitted by a model that judges block" in found[0]


def test_a_label_that_ends_on_a_scored_day_is_caught() -> None:
    """The window's end is the first scored day: a training label may not end on it."""
    t0 = np.arange(day_number(date(2021, 1, 1)), day_number(date(2021, 1, 1)) + 60)
    known = sound(t0, t0 + 5)
    last = date.fromordinal(date(1970, 1, 1).toordinal() + int(known.ended_day.max()))
    assert violations(known, last)[0].endswith("has a label that ends on a scored day")
    assert violations(known, date.fromordinal(last.toordinal() + 1)) == ()


def test_no_rows_are_no_proof() -> None:
    """A window without rows is not certified."""
    empty = np.empty(0, dtype=np.int64)
    assert "there is no row" in violations(Spans(empty, empty, empty, [], empty, empty))


def test_a_planner_with_an_off_by_one_purge_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge that lets a label end on the bar where the next part begins: training ends with the row's day."""

    def off_by_one(t0: Ints, t1: Ints, block: Any, held_out: Any, embargo: int) -> Ints:
        return apart(t0, t1 - 1, block, held_out, 0)

    known = {"A": prepare(daily_walk(520), SETTINGS)}
    counts = counts_for(known, WINDOW, SETTINGS)
    fit_window_teacher(known, WINDOW, SETTINGS, counts, "cpu")
    for module in (splits, teacher):
        monkeypatch.setattr(module, "apart", off_by_one)
    with pytest.raises(
        DataError, match=r"leaks: the row decided 202\d-\d\d-\d\d was fitted and its label reaches the tail"
    ):
        fit_window_teacher(known, WINDOW, SETTINGS, counts, "cpu")


def test_rows_that_end_in_the_scored_block_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A selection that forgets the purge at the window's end is found in training."""
    whole = window.select_rows  # type: ignore[attr-defined]
    later = WINDOW.model_copy(update={"end": date(2022, 3, 3)})
    monkeypatch.setattr(window, "select_rows", lambda history, _, settings: whole(history, later, settings))
    known = {"A": prepare(daily_walk(520), SETTINGS)}
    with pytest.raises(DataError, match="has a label that ends on a scored day"):
        fit_window_teacher(known, WINDOW, SETTINGS, counts_for(known, WINDOW, SETTINGS), "cpu")


@pytest.mark.parametrize("name", FEATURES)
def test_any_feature_that_reads_one_bar_ahead_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each feature in turn, moved one bar into the future, is named."""
    planted = FEATURES[name]

    def ahead(frame: Frame) -> Any:
        values = planted.compute(frame)
        return np.concatenate([values[1:], values[-1:]])

    cheat = replace(planted, compute=ahead)
    monkeypatch.setitem(FEATURES, name, cheat)
    series = daily_walk(400, seed=1)
    whole, prefix = (model_features(frame_of(each, False)) for each in (series, series.upto(300)))
    found = reads_ahead(whole[150:300], prefix[150:300], feature_names(), 0.0)
    constant = planted.name == "session_position"  # 0 on daily bars, whichever bar it reads
    assert [sentence.split()[1] for sentence in found] == ([] if constant else [planted.name])


def test_a_certificate_counts_what_it_checked() -> None:
    """Rows, models and spans are counted: each fitted row of each model, and each row's end."""
    t0 = np.arange(60)
    known = sound(t0, t0 + 5)
    certificate = certify("A_window", END, known, held_out_sets(True), [])
    fitted = sum(int((known.fitted_by >> number & 1).sum()) for number in range(10)) + list(known.part).count("fit")
    assert (certificate.rows, certificate.models, certificate.spans_checked) == (60, 11, fitted + 60)
