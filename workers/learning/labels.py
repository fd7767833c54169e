"""Labels: whether, or how well, a trade decided at a bar's close does within `horizon_bars`, and when that is known."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from schemas.config.interval import is_intraday
from schemas.config.target import CLASS
from schemas.config.training import RETURN, TrainingSettings
from workers.bars.series import Floats, Ints, Series
from workers.features.analysis import Panel
from workers.features.indicators import ema
from workers.learning.exit_rules import Barrier, ExitRule, Trades
from workers.learning.plugged_label import rules_of
from workers.scoring.family import LabelValues
from workers.side.joined import SideData

SIGMA_SPAN = 20
# Bars after which sigma no longer depends on where it began, to 1e-4: 108 on normal returns, 148 on Student's t(3).
SIGMA_WARMUP_BARS = 150


@dataclass(frozen=True)
class Labels:
    """Labels of one symbol: one value per label in each array, in ascending order of `t0`.

    Bar indices: `t0` of the decision, `entry` of the entry, `t1` at which the end is known. Returns are fractions:
    `forward_return` gross, `net_return` less the round trip's cost. `sigma` is the volatility of one bar (deviation of
    log returns) as known at the close of `t0`, NaN where it is not known yet. `tie` marks labels whose last bar
    touched both barriers in an order that its open does not reveal; they count as stopped.

    `y` is 0 or 1, or of a label that is a value any finite number.
    `rank` is the return's among the symbols decided at the same instant, 0 to 1; NaN unless the label is one of ranks.
    """

    t0: Ints
    entry: Ints
    t1: Ints
    forward_return: Floats
    net_return: Floats
    sigma: Floats
    y: LabelValues
    barrier: NDArray[np.int8]
    tie: NDArray[np.bool_]
    rank: Floats

    def __len__(self) -> int:
        return len(self.t0)


def label(series: Series, settings: TrainingSettings, symbol: str = "") -> Labels:
    """The labels of one symbol's bars, where they depend on no other's: see `labels_of`."""
    return labels_of({symbol: series}, settings)[symbol]


def labels_of(panel: Panel, settings: TrainingSettings, side: SideData | None = None) -> dict[str, Labels]:
    """Label every bar whose horizon lies inside the history and, intraday unless `cross_session`, inside its session.

    A bar without volatility (flat, or too early in the history) has no label where the label is measured by it.
    Rank labels are 0 here, and `history.labels_and_used` completes them. `side`: side data that a plug-in's label
    reads; if omitted: the stored ones of the run. DataError for a label of a plug-in that fails.
    """
    rules = rules_of(panel, settings, side)
    return {symbol: _labels(each, settings, rules[symbol]) for symbol, each in panel.items()}


def _labels(series: Series, settings: TrainingSettings, rule: ExitRule) -> Labels:
    horizon = settings.horizon_bars
    by_session = is_intraday(settings.interval) and not settings.cross_session
    in_sigma = settings.threshold_unit == "sigma" and settings.measures_return
    with np.errstate(invalid="ignore", divide="ignore"):
        sigma = volatility(series, by_session)
    t0 = _labelled_bars(series, horizon, by_session)
    if in_sigma or rule.needs_volatility:
        t0 = t0[np.isfinite(sigma[t0]) & (sigma[t0] > 0)]
    spread = sigma[t0] * np.sqrt(horizon)
    entry, prices = (t0 + 1, series.open) if settings.entry == "next-open" else (t0, series.close)
    price = prices[entry]
    exits = rule.exits(Trades(series, t0, price, spread, settings))
    with np.errstate(invalid="ignore", divide="ignore"):
        forward_return = exits.price / price - 1.0
    net_return = forward_return - settings.round_trip_cost
    earned = net_return if settings.label_return == "net" else forward_return
    unit = spread if in_sigma else 1.0
    if settings.label == RETURN:
        with np.errstate(invalid="ignore", divide="ignore"):
            exits = replace(exits, y=np.log1p(earned) / unit)
    hurdle = np.where(exits.barrier == Barrier.UPPER, 0.0, settings.threshold * unit)
    y = (exits.barrier != Barrier.LOWER) & (earned > hurdle) if exits.y is None else exits.y
    unranked = np.full(len(t0), np.nan)
    whole = Labels(
        t0, entry, exits.bar, forward_return, net_return, sigma[t0],
        np.nan_to_num(y).astype(np.int8 if settings.target == CLASS else np.float64), exits.barrier, exits.tie,
        unranked,
    )  # fmt: skip
    return whole if exits.y is None else _at(whole, np.isfinite(exits.y))


def _at(labels: Labels, kept: NDArray[np.bool_]) -> Labels:
    return Labels(*(getattr(labels, each.name)[kept] for each in fields(Labels)))


def volatility(series: Series, by_session: bool) -> Floats:
    """Deviation of a bar's log return at each bar: root of the exponential mean (span 20) of squared returns.

    `by_session` measures a session's first bar from its own open, so that nights do not count.
    """
    before = np.concatenate([[np.nan], series.close[:-1]])
    if by_session:
        opens = np.diff(series.session, prepend=series.session[:1] - 1) != 0
        before = np.where(opens, series.open, before)
    squared = np.log(series.close / before) ** 2
    result: Floats = np.sqrt(ema(squared, SIGMA_SPAN, start=0 if by_session else 1))
    return result


def uniqueness(t0: Ints, t1: Ints) -> Floats:
    """Mean of 1 / (number of labels alive) over each label's bars `(t0, t1]`; sums to the effective number of rows.

    Source: Lopez de Prado, Advances in Financial Machine Learning, section 4.3.
    """
    if not len(t0):
        return np.empty(0)
    first = int(t0.min()) + 1
    alive = np.zeros(int(t1.max()) - first + 2)
    np.add.at(alive, t0 + 1 - first, 1.0)
    np.add.at(alive, t1 + 1 - first, -1.0)
    counts = np.cumsum(alive)[:-1]
    inverse = np.where(counts > 0, 1.0 / np.maximum(counts, 1.0), 0.0)
    cumulative = np.concatenate([[0.0], np.cumsum(inverse)])
    result: Floats = (cumulative[t1 + 1 - first] - cumulative[t0 + 1 - first]) / (t1 - t0)
    return result


def _labelled_bars(series: Series, horizon: int, by_session: bool) -> Ints:
    # The whole horizon counts even where a barrier ends a label sooner; otherwise the last rows would be a biased
    # sample of labels that ended early.
    t0 = np.arange(max(len(series) - horizon, 0))
    return t0[series.session[t0 + horizon] == series.session[t0]] if by_session else t0
