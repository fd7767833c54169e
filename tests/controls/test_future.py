"""No later bar changes what was known at a bar: garbage after it, or no bars after it, changes no bit."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from schemas.config.training import TrainingSettings
from schemas.contract.window import Window
from tests.controls.harness import Trained, bits, score_bits, train_together
from tests.strategies import daily_walk, examples, training_settings
from workers.bars.series import COLUMNS, Floats, Ints, Series
from workers.learning.history import History, bars_before, prepare, prepare_panel

BARS = 520  # from 2020-10-01 to 2022-09-28
SYMBOLS = ("A", "B")
# Rank labels need five symbols.
PANEL = (*SYMBOLS, "C", "D", "E", "F")
DAYS = [
    (date(2021, 6, 1), date(2021, 9, 15), date(2021, 11, 15)),
    (date(2021, 7, 15), date(2022, 2, 1), date(2022, 4, 1)),
]
# Garbage is full of jumps, which must be kept so that there are labels of it.
KINDS: dict[str, TrainingSettings] = {
    "fixed": training_settings(keep_jumps=True),
    "privileged": training_settings(
        label="triple-barrier", threshold_unit="sigma", privileged=("path",), reward_weights=True, keep_jumps=True
    ),
    "panel": training_settings(scope="panel", keep_jumps=True),
    "panel's teacher": training_settings(
        scope="panel",
        student_scope="symbol",
        privileged=("cross-section", "path"),
        threshold_unit="sigma",
        keep_jumps=True,
    ),
}
KINDS["rank"] = training_settings(label="rank", scope="panel", keep_jumps=True)
GARBAGE = ("tiny", "huge", "wild", "flat")


@cache
def clean() -> dict[str, Series]:
    return {symbol: daily_walk(BARS, seed) for seed, symbol in enumerate(PANEL)}


@cache
def known(kind: str) -> dict[str, History]:
    return histories(clean(), kind)


@cache
def trained(kind: str, number: int) -> list[Trained]:
    return train(known(kind), kind, number)


def histories(series: Mapping[str, Series], kind: str) -> dict[str, History]:
    """Of all symbols for a panel, of the first alone for the other kinds."""
    if KINDS[kind].needs_panel:
        return prepare_panel(series, KINDS[kind])
    symbols = SYMBOLS if KINDS[kind].scope == "panel" else SYMBOLS[:1]
    return {symbol: prepare(series[symbol], KINDS[kind]) for symbol in symbols}


def train(histories: Mapping[str, History], kind: str, number: int) -> list[Trained]:
    start, end, score_end = DAYS[number]
    windows = [Window(symbol=symbol, start=start, end=end, score_end=score_end) for symbol in histories]
    # Garbage can take a margin so far that its exponential overflows, to the probability 0 that it should.
    with np.errstate(over="ignore"):
        return train_together(histories, windows, KINDS[kind])


def poisoned(series: Series, t: int, garbage: str, seed: int) -> Series:
    """`series` with every price and volume after bar `t` replaced by positive garbage."""
    later, rng = np.arange(len(series)) > t, np.random.default_rng(seed)
    nonsense: dict[str, Callable[[], Floats]] = {
        "tiny": lambda: rng.uniform(1e-9, 2e-9, len(series)),
        "huge": lambda: rng.uniform(1e9, 2e9, len(series)),
        "wild": lambda: np.exp(rng.normal(0.0, 8.0, len(series))),
        "flat": lambda: np.full(len(series), 77.0),
    }
    return replace(series, **{name: np.where(later, nonsense[garbage](), getattr(series, name)) for name in COLUMNS})


@pytest.mark.parametrize("kind", KINDS)
@settings(parent=examples(6), phases=[Phase.generate])  # to shrink a failure would take minutes
@given(number=st.integers(0, 1), garbage=st.sampled_from(GARBAGE), data=st.data())
def test_garbage_after_a_bar_changes_nothing_up_to_it(
    kind: str, number: int, garbage: str, data: st.DataObject
) -> None:
    """Features, labels that ended, both models of a window that ended, and its scores so far: the same, bit for bit.

    The teacher's score of a row is left out where it is privileged: it sees the label's horizon, which is later.
    """
    rules, before = KINDS[kind], known(kind)
    window = trained(kind, number)[0].window
    last = bars_before(before["A"].series, window) - 1
    t = data.draw(st.integers(last, last + 50), label="t")
    seed = data.draw(st.integers(0, 99), label="seed")
    after = histories({name: poisoned(each, t, garbage, seed) for name, each in clean().items()}, kind)
    for symbol, history in before.items():
        same_up_to(t, history, after[symbol])
    for mine, again in zip(trained(kind, number), train(after, kind, number), strict=True):
        assert differing(bits(mine), bits(again)) == []
        rows = int((decided(before, mine) <= t).sum())
        then, now = score_bits(mine, rows), score_bits(again, rows)
        blind = [name for name in then if name != "teacher's" or "path" not in rules.privileged]
        assert differing({name: then[name] for name in blind}, {name: now[name] for name in blind}) == []


def decided(histories: Mapping[str, History], trained: Trained) -> Ints:
    """The bar of each scored row's decision; the symbols of these worlds have the same days."""
    rows, bar = trained.student.scored, np.empty(len(trained.y), dtype=np.int64)
    for number, symbol in enumerate(rows.symbols):
        mine = rows.member == number
        bar[mine] = histories[symbol].labels.t0[rows.row[mine]]
    return bar


def same_up_to(t: int, before: History, after: History) -> None:
    """Asserts that features of bars up to `t`, and labels that ended by it, are the same bits."""
    assert before.features[: t + 1].tobytes() == after.features[: t + 1].tobytes()
    old, new = before.labels, after.labels
    ended = [np.flatnonzero(labels.t1 <= t) for labels in (old, new)]
    decided = [labels.t0[rows].tolist() for labels, rows in zip((old, new), ended, strict=True)]
    assert decided[0] == decided[1]
    for name in ("t1", "entry", "forward_return", "net_return", "sigma", "y", "barrier", "tie", "rank"):
        assert getattr(old, name)[ended[0]].tobytes() == getattr(new, name)[ended[1]].tobytes(), name


def differing(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    assert before.keys() == after.keys()
    return [name for name, value in before.items() if after[name] != value]


@pytest.mark.parametrize("number", range(len(DAYS)))
@pytest.mark.parametrize("kind", KINDS)
def test_a_window_is_the_same_without_the_bars_after_its_last_label(kind: str, number: int) -> None:
    """A window trained and scored on bars that end with its last scored label equals one trained on all bars."""
    whole = trained(kind, number)
    last = max(int(decided(known(kind), each)[-1]) for each in whole)
    needed = last + KINDS[kind].horizon_bars + 1
    assert needed < BARS - 50
    short = histories({symbol: series.upto(needed) for symbol, series in clean().items()}, kind)
    for mine, again in zip(whole, train(short, kind, number), strict=True):
        assert differing(bits(mine) | score_bits(mine), bits(again) | score_bits(again)) == []


def test_what_is_compared_can_differ() -> None:
    """Garbage from before the window on changes models, predictions and scores."""
    inside = bars_before(known("fixed")["A"].series, trained("fixed", 1)[0].window) - 150
    after = histories({name: poisoned(each, inside, "wild", 0) for name, each in clean().items()}, "fixed")
    mine, again = trained("fixed", 1)[0], train(after, "fixed", 1)[0]
    assert {"booster", "out-of-fold predictions", "student", "inputs"} <= set(differing(bits(mine), bits(again)))
    assert set(differing(score_bits(mine), score_bits(again))) == {"student's", "alone", "teacher's"}
