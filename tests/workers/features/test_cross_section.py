"""Cross-sectional features, compared with values by hand and with plain loops; no later bar of any symbol counts."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.window import MIN_RANKED_SYMBOLS, WARMUP_BARS
from tests.strategies import daily_walk, examples, part
from workers.bars.series import Floats, Ints, Series
from workers.features.cross_section import (
    BETA_BARS,
    beta,
    centred_ranks,
    cross_section,
    cross_section_names,
)
from workers.features.frame import frame_of
from workers.features.registry import feature_names, model_features

NAN = np.nan
RETURN = feature_names().index("return_1")


def features(series: Sequence[Series]) -> list[Floats]:
    return cross_section(
        [each.timestamp for each in series], [model_features(frame_of(each, intraday=False)) for each in series]
    )


def test_ranks_by_hand() -> None:
    """The share of the others below a value, less a half; ties share their mean, the missing are in the middle."""
    values = np.array(
        [
            [3.0, 1.0, 2.0, 2.0, 5.0],
            [NAN, 9.0, 8.0, 7.0, 6.0],  # four values are too few
            [4.0, 4.0, 4.0, 4.0, 4.0],
        ]
    )
    assert centred_ranks(values).tolist() == [[0.25, -0.5, -0.125, -0.125, 0.5], [0.0] * 5, [0.0] * 5]
    with_gap = np.array([[5.0, NAN, 1.0, 2.0, 3.0, 4.0]])
    assert centred_ranks(with_gap).tolist() == [[0.5, 0.0, -0.5, -0.25, 0.0, 0.25]]


def test_beta_by_hand() -> None:
    """Twice the market has beta 2, and an unmoved market none; it begins with the bar that completes BETA_BARS."""
    rng = np.random.default_rng(0)
    its = rng.normal(0, 0.01, 2 * BETA_BARS)
    found = beta(2.0 * its + 0.001, its)
    assert np.isnan(found[: BETA_BARS - 1]).all()
    assert found[BETA_BARS - 1 :] == pytest.approx(2.0, abs=1e-9)
    assert np.isnan(beta(its, np.full(len(its), 0.01))).all()


def slow(instants: Sequence[Ints], inputs: Sequence[Floats], symbol: int, bar: int) -> Floats:
    """The cross-sectional features of one bar, by plain loops."""

    def there(instant: int) -> list[tuple[int, int]]:
        found = ((number, np.flatnonzero(times == instant)) for number, times in enumerate(instants))
        return [(number, int(place[0])) for number, place in found if len(place)]

    def moved(instant: int) -> list[float]:
        values = [float(inputs[number][place, RETURN]) for number, place in there(instant)]
        return [value for value in values if np.isfinite(value)]

    def of_market(instant: int) -> float:
        values = moved(instant)
        return float(np.mean(values)) if len(values) >= MIN_RANKED_SYMBOLS else NAN

    def beta_of(number: int, place: int) -> float:
        if place < BETA_BARS:
            return NAN
        bars = range(place - BETA_BARS + 1, place + 1)
        own = [float(inputs[number][each, RETURN]) for each in bars]
        its = [of_market(int(instants[number][each])) for each in bars]
        return float(np.cov(own, its, ddof=0)[0, 1] / np.var(its)) if np.isfinite(its).all() else NAN

    def rank(value: float, values: list[float]) -> float:
        values = [each for each in values if np.isfinite(each)]
        if not np.isfinite(value) or len(values) < MIN_RANKED_SYMBOLS:
            return 0.0
        below, equal = sum(each < value for each in values), sum(each == value for each in values)
        return (below + (equal - 1) / 2) / (len(values) - 1) - 0.5

    instant = int(instants[symbol][bar])
    warm = [(number, place) for number, place in there(instant) if place >= WARMUP_BARS]
    result = []
    for name in cross_section_names()[:-4]:
        column = feature_names().index(name.removeprefix("rank_"))
        own = float(inputs[symbol][bar, column]) if bar >= WARMUP_BARS else NAN
        result.append(rank(own, [float(inputs[number][place, column]) for number, place in warm]))
    own_beta = beta_of(symbol, bar)
    settled = own_beta if bar >= WARMUP_BARS else NAN
    result.append(rank(settled, [beta_of(number, place) for number, place in warm]))
    spread = float(np.std(moved(instant))) if len(moved(instant)) >= MIN_RANKED_SYMBOLS else NAN
    return np.array([*result, of_market(instant), spread, own_beta])


@examples(12)
@given(
    histories=st.lists(st.tuples(st.integers(0, 60), st.integers(3, 170)), min_size=5, max_size=8),
    seed=st.integers(0, 999),
)
def test_features_equal_those_of_plain_loops(histories: list[tuple[int, int]], seed: int) -> None:
    """With symbols that begin late, end early, miss bars, and have missing or equal values."""
    rng = np.random.default_rng(seed)
    instants = [np.sort(rng.choice(np.arange(first, 240), bars, replace=False)) for first, bars in histories]
    inputs = [rng.normal(0, 0.02, (bars, len(feature_names()))).round(2) for _, bars in histories]
    for mine in inputs:
        mine[rng.random(mine.shape) < 0.05] = NAN
        mine[:, RETURN] = rng.normal(0, 0.02, len(mine))
    found = cross_section(instants, inputs)
    for symbol, mine in enumerate(found):
        assert mine.shape == (len(instants[symbol]), len(cross_section_names()))
        for bar in sorted({len(mine) - 1, min(WARMUP_BARS, len(mine) - 1), int(rng.integers(len(mine)))}):
            assert mine[bar] == pytest.approx(slow(instants, inputs, symbol, bar), abs=1e-9, nan_ok=True)


@pytest.fixture(scope="module")
def panel() -> list[Series]:
    """Seven symbols of real features: one begins late, one misses bars, one ends early."""
    whole = [daily_walk(330, seed) for seed in range(7)]
    kept = np.delete(np.arange(330), [40, 200, 201, 260])
    return [
        *whole[:4],
        part(whole[4], slice(60, None)),
        Series(*(values[kept] for values in vars(whole[5]).values())),
        whole[6].upto(280),
    ]


@examples(6)
@given(t=st.integers(WARMUP_BARS, 320), changed=st.integers(0, 6), seed=st.integers(0, 99))
def test_no_later_bar_of_any_symbol_changes_a_feature(panel: list[Series], t: int, changed: int, seed: int) -> None:
    """Garbage after an instant in one symbol, or no bar of any after it, changes no bit at or before it."""
    whole, instant = features(panel), int(panel[0].timestamp[t])
    before = [int(np.searchsorted(each.timestamp, instant, side="right")) for each in panel]
    rng = np.random.default_rng(seed)
    poisoned = list(panel)
    later = np.arange(len(panel[changed])) >= before[changed]
    values = vars(panel[changed]) | {
        name: np.where(later, np.exp(rng.normal(0, 8, len(later))), getattr(panel[changed], name))
        for name in ("open", "high", "low", "close", "volume")
    }
    poisoned[changed] = Series(**values)
    shorter = features([each.upto(bars) for each, bars in zip(panel, before, strict=True)])
    for bars, mine, other, prefix in zip(before, whole, features(poisoned), shorter, strict=True):
        assert mine[:bars].tobytes() == other[:bars].tobytes() == prefix.tobytes()


def test_features_settle_within_the_warm_up(panel: list[Series]) -> None:
    """Histories that begin later give the same ranks once all symbols are warm, but for the order of equal values."""
    cut = 80
    late = [part(each, slice(int(np.searchsorted(each.timestamp, panel[0].timestamp[cut])), None)) for each in panel]
    whole, shorter = features(panel), features(late)
    ready = max(int(each.timestamp[WARMUP_BARS]) for each in late)
    for each, mine, other in zip(late, whole, shorter, strict=True):
        settled = each.timestamp >= ready
        mine = mine[-len(other) :]
        assert np.abs(mine[settled] - other[settled]).max() <= 1.0 / 6 + 1e-9  # one place among seven
        assert (np.abs(mine[settled] - other[settled]) > 1e-3).mean() < 0.01
