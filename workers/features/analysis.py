"""Whether a plug-in's feature reads later bars, and whether its declared warm-up is true: measured, not read.

The feature is computed again without the bars after random cuts, and with others in their place; and from later
beginnings of the history. What it computes is compared with its values over all bars.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from schemas.contract.errors import DataError
from schemas.contract.feature_check import FeatureCheck
from schemas.contract.window import WARMUP_BARS
from workers.bars.series import COLUMNS, Floats, Ints, Series
from workers.features.frame import frame_of
from workers.features.plugged import TOLERANCE, PluggedFeature, plugged_features
from workers.features.registry import FEATURES, model_features
from workers.side.joined import NO_SIDE, SideData

# Cuts near the beginning, where values are filled backwards, beside random ones.
EARLY_CUTS = (2, 3, 5, 8, 13, 21, 34, 55, 89, 144)
RANDOM_CUTS = 20
BEGINNINGS = 6
# Looks back that are tried where the declared warm-up is too short.
LADDER = (0, 1, 2, 3, 5, 8, 10, 14, 20, 30, 40, 50, 60, 80, 100, 120, 150)
# Largest difference between two beginnings of the history, in deviations of the feature: as for built-in ones.
SETTLED = 1e-4
COPY = 0.999

Panel = Mapping[str, Series]


@dataclass(frozen=True)
class Subject:
    """A feature that is analysed, the time zone of the bars that it sees, and the side data beside them."""

    feature: PluggedFeature
    timezone: str
    side: SideData

    def values(self, panel: Panel) -> dict[str, Floats]:
        """Its value on each bar of each symbol."""
        found = plugged_features(panel, [self.feature.name], self.timezone, self.side)
        return {symbol: values[:, 0] for symbol, values in found.items()}

    def seeing(self, side: SideData) -> "Subject":
        """The same feature with other side data."""
        return replace(self, side=side)


@dataclass(frozen=True)
class Analysis:
    """Where bars are cut and how many: `early` positions, and counts of random cuts and of later beginnings.

    `notes`: compare with built-in features, too.
    """

    early: Sequence[int] = EARLY_CUTS
    cuts: int = RANDOM_CUTS
    beginnings: int = BEGINNINGS
    notes: bool = True


def check_features(
    panel: Panel, features: Sequence[PluggedFeature], timezone: str, intraday: bool, seed: int, plan: Analysis,
    side: SideData = NO_SIDE,
) -> list[FeatureCheck]:  # fmt: skip
    """Analyse features on the bars of `panel`: each symbol alone, or all together where a feature takes the panel.

    `side`: the side data that they read; without the bars after a cut, what was known later is not there either.
    """
    found = []
    for feature in features:
        subject = Subject(feature, timezone, side.only(feature.side, panel))
        began = time.perf_counter()
        try:
            whole = subject.values(panel)
        except DataError as error:
            found.append(FeatureCheck(name=feature.name, faults=(str(error),), notes=(), missing=1.0, seconds=0.0))
            continue
        seconds = (time.perf_counter() - began) / len(panel)
        faults = list(_faults_of(panel, subject, whole, seed, plan))
        settled = np.concatenate([values[WARMUP_BARS:] for values in whole.values()])
        missing = float(np.mean(~np.isfinite(settled))) if len(settled) else 1.0
        if missing == 1.0 and not faults:
            faults.append(f"it has no value on any bar after the first {WARMUP_BARS}")
        notes = tuple(_notes(panel, whole, missing, intraday)) if plan.notes else ()
        found.append(
            FeatureCheck(name=feature.name, faults=tuple(faults), notes=notes, missing=missing, seconds=seconds)
        )
    return found


def _faults_of(panel: Panel, subject: Subject, whole: Mapping[str, Floats], seed: int, plan: Analysis) -> Iterator[str]:
    """Why a feature is refused, at most one sentence per kind; `whole` has its values over all bars."""
    units = [panel] if subject.feature.panel else [{symbol: each} for symbol, each in panel.items()]
    for unit in units:
        rng = np.random.default_rng([seed, len(unit)])
        if sentence := _ahead(unit, subject, whole, rng, plan):
            yield sentence
            return
    for unit in units:
        rng = np.random.default_rng([seed, len(unit)])
        if sentence := _unsettled(unit, subject, whole, rng, plan):
            yield sentence
            return


def _ahead(
    panel: Panel, subject: Subject, whole: Mapping[str, Floats], rng: np.random.Generator, plan: Analysis
) -> str:
    """The first bar found whose value depends on later bars, as a sentence; empty if there is none."""
    axis, timezone = axis_of(panel), subject.timezone
    drawn = rng.integers(2, len(axis), plan.cuts).tolist() if len(axis) > 2 else []
    early = [cut for cut in plan.early if cut < len(axis)]
    for number, cut in enumerate([*early, *drawn]):
        last = int(axis[cut - 1])
        known = {symbol: upto(each, last) for symbol, each in panel.items()}
        decided = decided_at(known, last, subject.side)
        views = [(known, subject.seeing(subject.side.known_at(decided)))]
        # Early, where a function may need more bars, only the shorter history shows what it fills.
        if number >= len(early):
            views.append((poisoned(panel, last, rng), subject.seeing(subject.side.poisoned(decided, rng))))
        for seen, changed in views:
            try:
                again = changed.values(seen)
            except DataError as error:
                if cut > WARMUP_BARS:
                    return f"it fails on the first {cut} bars alone: {error}"
                continue
            for symbol, each in known.items():
                before, now = whole[symbol][: len(each)], again[symbol][: len(each)]
                if len(at := np.flatnonzero(~_same(before, now, whole[symbol]))):
                    where, day = int(at[0]), instant_of(each, int(at[0]), timezone)
                    what = "removed" if seen is known else "changed"
                    return (
                        f"it reads later bars: {symbol} at {day} is {before[where]:.6g} with all bars, and"
                        f" {now[where]:.6g} when the bars after {instant_of(each, len(each) - 1, timezone)} are {what}"
                    )
    return ""


def decided_at(known: Panel, last: int, side: SideData) -> int:
    """When the decision of the bars that begin at an instant, the last ones, was made."""
    if not side.tables:
        return last
    return max(int(side.decisions(each)[-1]) for each in known.values() if len(each) and each.timestamp[-1] == last)


def _same(one: Floats, other: Floats, whole: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    finite = np.abs(whole[np.isfinite(whole)])
    scale = float(finite.max()) if len(finite) else 1.0
    return np.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True)


def _unsettled(
    panel: Panel, subject: Subject, whole: Mapping[str, Floats], rng: np.random.Generator, plan: Analysis
) -> str:
    """How many bars a feature needs, as a sentence, where that is more than it declares; else empty."""
    declared, axis = subject.feature.warmup_bars, axis_of(panel)
    if declared is None or len(axis) < declared + 3:
        return ""
    places = np.unique(rng.integers(max(declared + 1, len(axis) // 2), len(axis), plan.beginnings)).tolist()

    def settles(bars: int) -> bool:
        return all(_settles_at(panel, subject, whole, axis, at, bars) for at in places if at > bars)

    if settles(declared):
        return ""
    longer = next((bars for bars in LADDER if declared < bars < places[0] and settles(bars)), None)
    if longer is None:
        return (
            f"its value depends on where the history begins, beyond its declared warm-up of {declared} bars: look back"
            " a fixed number of bars, or declare warmup='all'"
        )
    return f"its declared warm-up of {declared} bars is too short: it needs more, at most {longer} by measurement"


def _settles_at(panel: Panel, subject: Subject, whole: Mapping[str, Floats], axis: Ints, at: int, bars: int) -> bool:
    """Whether the value at a bar is the same where the history begins so many bars before it, or with its session."""
    begin, last = _session_start(panel, axis, at - bars), int(axis[at])
    part = {symbol: upto(_from(each, begin), last) for symbol, each in panel.items()}
    try:
        again = subject.values(part)
    except DataError:
        return False
    for symbol, each in part.items():
        if not len(each) or int(each.timestamp[-1]) != last:
            continue
        before, now = whole[symbol][int(np.searchsorted(panel[symbol].timestamp, last))], again[symbol][-1]
        finite = whole[symbol][np.isfinite(whole[symbol])]
        scale = max(abs(before), float(finite.std()) if len(finite) else 0.0) if np.isfinite(before) else 0.0
        if not np.isclose(before, now, rtol=0.0, atol=max(SETTLED * scale, TOLERANCE), equal_nan=True):
            return False
    return True


def _session_start(panel: Panel, axis: Ints, at: int) -> int:
    """Instant of the first bar of the session of a bar: a history begins with a session."""
    instant = int(axis[at])
    for each in panel.values():
        place = int(np.searchsorted(each.timestamp, instant))
        if place < len(each) and int(each.timestamp[place]) == instant:
            return int(each.timestamp[int(np.searchsorted(each.session, each.session[place]))])
    return instant


def _notes(panel: Panel, whole: Mapping[str, Floats], missing: float, intraday: bool) -> Iterator[str]:
    symbol = max(panel, key=lambda name: len(panel[name]))
    values = whole[symbol][WARMUP_BARS:]
    finite = values[np.isfinite(values)]
    if 0.0 < missing < 1.0:
        yield f"{missing * 100:.3g} % of its values are missing after the first {WARMUP_BARS} bars"
    if len(finite) and np.ptp(finite) == 0.0:
        yield f"it is {finite[0]:g} on every bar of {symbol}"
        return
    if len(finite) > 2:
        built_in = model_features(frame_of(panel[symbol], intraday))[WARMUP_BARS:]
        for column, name in enumerate(FEATURES):
            if abs(_rank_correlation(values, built_in[:, column])) > COPY:
                yield f"it orders the bars of {symbol} as {name} does"


def _rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman's correlation where both have a value; 0 where one of them is constant."""
    from scipy.stats import rankdata

    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 3 or np.ptp(one[both]) == 0.0 or np.ptp(other[both]) == 0.0:
        return 0.0
    return float(np.corrcoef(rankdata(one[both]), rankdata(other[both]))[0, 1])


def axis_of(panel: Panel) -> Ints:
    """The instants at which any symbol has a bar, in order."""
    return np.unique(np.concatenate([each.timestamp for each in panel.values()]))


def upto(series: Series, last: int) -> Series:
    """The bars of a symbol that begin at an instant or before."""
    return series.upto(int(np.searchsorted(series.timestamp, last, side="right")))


def _from(series: Series, first: int) -> Series:
    begin = int(np.searchsorted(series.timestamp, first))
    return Series(*(values[begin:] for values in vars(series).values()))


def poisoned(panel: Panel, last: int, rng: np.random.Generator) -> dict[str, Series]:
    """The bars of a panel with others after `last`: prices and volumes times random factors, in order of size."""
    changed = {}
    for symbol, each in panel.items():
        known = int(np.searchsorted(each.timestamp, last, side="right"))
        factor = np.ones(len(each))
        factor[known:] = np.exp(rng.normal(0.0, 1.0, len(each) - known))
        changed[symbol] = replace(each, **{name: getattr(each, name) * factor for name in COLUMNS})
    return changed


def instant_of(series: Series, row: int, timezone: str) -> str:
    """A bar's time, with the time of day unless it is midnight."""
    moment = datetime.fromtimestamp(int(series.timestamp[row]) / 1e6, UTC).astimezone(ZoneInfo(timezone))
    return f"{moment:%Y-%m-%d}" if not (moment.hour or moment.minute) else f"{moment:%Y-%m-%d %H:%M}"
