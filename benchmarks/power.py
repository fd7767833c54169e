"""How often the decision promotes: predictions beside the returns of generated markets, judged as a run is.

    python -m benchmarks.power                                       # every row of the table in docs/judgement.md
    python -m benchmarks.power --kind noise --worlds 2000            # one row

Students are given: no model is trained. Book, label permutation, alpha and the rule of promotion are the project's own.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from schemas.config.costs import CostRates
from schemas.config.judgement import GateSettings
from schemas.config.target import CLASS
from schemas.contract.judgement import Criterion, Ruling
from workers.bars.calendar import day_number
from workers.bars.series import Floats, Series
from workers.features.calendar import MICROSECONDS_PER_DAY
from workers.judging.book import Decisions, Terms, keep_book
from workers.judging.gates.economics import alpha_beside, why_not_traded
from workers.judging.gates.skill import panel
from workers.judging.predictions import Predictions
from workers.judging.statistics.permutation import permute
from workers.scoring.family import FAMILIES

Kind = Literal["noise", "volatility", "signal"]
YEAR, HORIZON, WARM = 252, 5, 40
# A day of the market and of a stock beside it: deviation and mean. A signal keeps `MEMORY` of itself for a day.
MARKET, OWN, DRIFT, MEMORY = 0.009, 0.015, 3e-4, 0.8
THRESHOLD, ROUND_TRIP, SLIPPAGE = 0.02, 24e-4, 5e-4
BELIEVED = 0.02  # R2 that students believe in where there is none
TERMS = Terms(
    horizon_bars=HORIZON, entry="next-open", by_session=False, skip_jumps=True, band=0.1, borrow=0.0,
    schedule=(CostRates(since=date.min, exchange_bps=ROUND_TRIP / 2 * 1e4),), slippage=SLIPPAGE, order_value=1e5,
    impact=0.0, capital=1e7,
)  # fmt: skip
SETTINGS = GateSettings()


@dataclass(frozen=True)
class Market:
    """Worlds of a kind: `noise`, `volatility` (skill without alpha), or a `signal`: share `r2` of 5-bar variance."""

    kind: Kind
    r2: float
    symbols: int
    years: int


TABLE = (
    (Market("noise", 0.0, 4, 3), 2000), (Market("volatility", 0.0, 4, 3), 500),
    *((Market("signal", r2, 4, 3), 100) for r2 in (0.005, 0.01, 0.02, 0.05)),
    *((Market("signal", r2, 4, 8), 100) for r2 in (0.005, 0.01, 0.02)),
    *((Market("signal", r2, 36, 1), 40) for r2 in (0.01, 0.05)),
    *((Market("signal", r2, 36, 3), 40) for r2 in (0.01, 0.02)), (Market("noise", 0.0, 36, 3), 100),
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """What the tests found in one world."""

    promoted: bool
    permutation: float
    alpha: float | None


def judge(market: Market, seed: int) -> Judged:
    """Judge one world as a first configuration is judged."""
    bars, predictions = _world(market, np.random.default_rng([seed, market.symbols, market.years]))
    if_one, if_zero, y = panel(predictions, FAMILIES[CLASS])
    shifted = permute(if_one, if_zero, y, min_shift=HORIZON, repetitions=SETTINGS.permutations, seed=seed)
    weight = (predictions.student > predictions.trade_above).astype(np.float64)
    book = keep_book(predictions, bars, Decisions(weight, predictions.label_end), TERMS)
    held = keep_book(predictions, bars, Decisions(np.ones(len(weight)), predictions.label_end), TERMS)
    alpha = alpha_beside(book.daily, held.daily, why_not_traded(book, SETTINGS.min_days), 1, SETTINGS)
    promoted = shifted.p <= SETTINGS.permutation_p and _passes(alpha) and float(book.daily.mean()) > 0
    return Judged(promoted, shifted.p, alpha.p)


def _passes(criterion: Criterion) -> bool:
    return criterion.ruling is Ruling.PASS


def _world(market: Market, rng: np.random.Generator) -> tuple[dict[str, Series], Predictions]:
    bars = market.years * YEAR + WARM + HORIZON
    calm = _volatility(bars, rng) if market.kind == "volatility" else np.ones(bars)
    common = calm * MARKET * rng.standard_t(5, bars) / np.sqrt(5 / 3) + DRIFT
    series, parts = {}, []
    for number in range(market.symbols):
        name = f"S{number:02}"
        seen = lfilter([np.sqrt(1 - MEMORY**2)], [1.0, -MEMORY], rng.normal(size=bars + 50))[50:]
        series[name], rows = _symbol(market, seen, calm, common, rng)
        parts.append((np.full(len(rows[0]), name, dtype=object), *rows))
    symbol, timestamp, end, day, y, forward, student, prior, above = (
        np.concatenate(each) for each in zip(*parts, strict=True)
    )
    return series, Predictions(
        symbol=symbol, timestamp=timestamp, label_end=end, day=day, y=y, forward_return=forward, student=student,
        alone=student, logistic=student, teacher=student, prior=prior, window_share=prior, trade_above=above,
        window=np.full(len(y), "w", dtype=object),
    )  # fmt: skip


def _volatility(bars: int, rng: np.random.Generator) -> Floats:
    """Multiple of the usual volatility per day: persistent for months, known at the close before."""
    walk: Floats = lfilter([np.sqrt(1 - 0.98**2)], [1.0, -0.98], rng.normal(size=bars + 300))[300:]
    return np.exp(0.4 * walk)


def _symbol(
    market: Market, seen: Floats, calm: Floats, common: Floats, rng: np.random.Generator
) -> tuple[Series, tuple[NDArray[Any], ...]]:
    """Bars of a symbol, and the rows of a calibrated student of what it sees; opens are the closes before."""
    bars = len(common)
    spread = np.sqrt(HORIZON) * np.hypot(MARKET, OWN)
    believed = market.r2 if market.kind == "signal" else BELIEVED if market.kind == "noise" else 0.0
    reach = (1 - MEMORY**HORIZON) / (1 - MEMORY)  # of a signal over the horizon
    daily = np.sqrt(market.r2) * spread / reach * np.concatenate([[0.0], seen[:-1]])
    moved = np.exp(common + daily + calm * OWN * rng.normal(size=bars) - OWN**2 / 2)
    close = 100.0 * np.cumprod(moved)
    opening = np.concatenate([[100.0], close[:-1]])
    session = day_number(date(2010, 1, 1)) + np.arange(bars)
    series = Series(
        session * MICROSECONDS_PER_DAY, session, opening, np.maximum(opening, close), np.minimum(opening, close), close,
        np.full(bars, 1e6),
    )  # fmt: skip
    t0 = np.arange(WARM, bars - HORIZON)
    forward = close[t0 + HORIZON] / opening[t0 + 1] - 1.0
    # The volatility of the next day is known at a close; it reverts too slowly to matter within the horizon.
    left = spread * np.sqrt(1 - believed) * calm[t0 + 1]
    expected = HORIZON * DRIFT + np.sqrt(believed) * spread * seen[t0]
    student = norm.cdf((expected - THRESHOLD) / left)
    # The probability at which the expected return pays its costs; with nothing believed, that of usual volatility.
    cost = ROUND_TRIP + 2 * SLIPPAGE
    above = norm.cdf((cost - THRESHOLD) / left) if believed else norm.cdf((HORIZON * DRIFT - THRESHOLD) / spread)
    prior = np.full(len(t0), norm.cdf((HORIZON * DRIFT - THRESHOLD) / spread))
    rows = (
        series.timestamp[t0], series.timestamp[t0 + HORIZON], session[t0], (forward > THRESHOLD).astype(np.float64),
        forward, student, prior, np.broadcast_to(above, len(t0)),
    )  # fmt: skip
    return series, rows


def rows_of(asked: argparse.Namespace) -> Iterator[tuple[Market, int]]:
    """The rows to print: the one that is asked for, or the whole table."""
    if asked.kind is None:
        yield from TABLE
    else:
        yield Market(asked.kind, asked.r2 if asked.kind == "signal" else 0.0, asked.symbols, asked.years), asked.worlds


def main() -> None:
    """Judge the worlds and print a table of what was promoted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["noise", "volatility", "signal"])
    parser.add_argument("--r2", type=float, default=0.01, help="share of the variance of 5-bar returns that is known")
    parser.add_argument("--symbols", type=int, default=4)
    parser.add_argument("--years", type=int, default=3)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    print("| world | symbols | years | worlds | promoted | 95 % interval | permutation p <= 0.01 | alpha p <= 0.05 |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    with ProcessPoolExecutor(asked.processes) as pool:
        for market, worlds in rows_of(asked):
            found = list(pool.map(judge, repeat(market, worlds), range(worlds), chunksize=4))
            count = sum(each.promoted for each in found)
            low, high = proportion_confint(count, worlds, method="wilson")
            shifted = np.mean([each.permutation <= SETTINGS.permutation_p for each in found])
            alpha = np.mean([each.alpha is not None and each.alpha <= SETTINGS.significance for each in found])
            name = f"R2 {100 * market.r2:g} %" if market.kind == "signal" else market.kind
            print(
                f"| {name} | {market.symbols} | {market.years} | {worlds:,} | {100 * count / worlds:.1f} % |"
                f" {100 * low:.1f} to {100 * high:.1f} % | {100 * shifted:.1f} % | {100 * alpha:.1f} % |",
                flush=True,
            )


if __name__ == "__main__":
    main()
