"""Statistics of a book: returns, ratios, drawdown on compounded equity, costs and capacity."""

import numpy as np
from numpy.typing import NDArray

from schemas.contract.judgement import Fall, Trading
from workers.bars.calendar import day_of
from workers.bars.series import Floats, Ints
from workers.judging.book import Book, Decisions, Terms
from workers.judging.predictions import Predictions
from workers.judging.statistics import sharpe
from workers.scoring import ewc
from workers.scoring.constancy import is_constant

MOST_FALLS = 5


def results(
    book: Book, predictions: Predictions, decisions: Decisions, terms: Terms, periods_per_year: int, market: Floats
) -> Trading:
    """Summarise a book with `periods_per_year` days a year; None for what its trades or days do not determine.

    `market`: daily net return of always long, shape (days,).
    """
    daily = book.daily
    made = np.flatnonzero(decisions.weight)
    hits = np.asarray(np.sign(decisions.weight[made]) * predictions.forward_return[made] > 0, dtype=np.float64)
    low, high = overlap_interval(predictions.day[made], hits)
    below = below_peak(daily)
    turnover = float(book.traded.sum() / len(daily))
    gross = float(book.gross.sum() / len(daily))
    return Trading(
        days=len(daily),
        trades=len(made),
        hit_rate=float(hits.mean()) if len(made) else None,
        hit_low=None if low is None else max(low, 0.0),
        hit_high=None if high is None else min(high, 1.0),
        gross_bps_a_day=gross * 1e4,
        net_bps_a_day=float(daily.mean() * 1e4),
        growth_percent=float(np.prod(1.0 + daily) - 1.0) * 100,
        sharpe=_ratio(daily, float(daily.std(ddof=1)) if len(daily) > 1 else 0.0, periods_per_year),
        **_sharpe_interval(daily, periods_per_year),
        sortino=_ratio(daily, float(np.sqrt(np.mean(np.minimum(daily, 0.0) ** 2))), periods_per_year),
        max_drawdown_percent=float(abs(below.min()) * 100),
        under_water_days=max((end - first for first, end in _spans(below < 0)), default=0),
        turnover_a_day=turnover,
        exposure=book.exposure,
        break_even_bps=2.0 * gross / turnover * 1e4 if turnover and gross > 0 else None,
        capacity=_capacity(book, terms, gross, float(daily.mean())),
        **_beside(daily, market, periods_per_year),
    )


def below_peak(daily: Floats) -> Floats:
    """Equity below its highest value so far, as a share of it, at most 0; daily returns are compounded."""
    equity = np.cumprod(1.0 + daily)
    result: Floats = equity / np.maximum(np.maximum.accumulate(equity), 1.0) - 1.0
    return result


def falls(day: Ints, daily: Floats) -> tuple[Fall, ...]:
    """Return the deepest falls below a peak of the compounded equity, the deepest first; `day`: days since 1970."""
    below = below_peak(daily)
    deepest = sorted(_spans(below < 0), key=lambda span: float(below[slice(*span)].min()))[:MOST_FALLS]
    return tuple(
        Fall(
            first=day_of(day[first]),
            lowest=day_of(day[first + below[first:end].argmin()]),
            recovered=day_of(day[end]) if end < len(day) else None,
            percent=float(-100 * below[first:end].min()),
            days=end - first,
        )
        for first, end in deepest
    )


def by_month(day: Ints, daily: Floats) -> dict[str, float]:
    """Return the compounded return of each calendar month in percent, by `YYYY-MM`."""
    months, first = np.unique(day.astype("M8[D]").astype("M8[M]"), return_index=True)
    grown = np.multiply.reduceat(1.0 + daily, first)
    return {str(month): float(100 * (value - 1.0)) for month, value in zip(months, grown, strict=True)}


def _beside(daily: Floats, market: Floats, periods_per_year: int) -> dict[str, float | None]:
    """The line of a strategy's returns on always long's; None where one of them is constant, or they are the same."""
    try:
        alpha, beta, residual = ewc.line_of(daily, market)
    except ValueError:
        return dict.fromkeys(("alpha_bps_a_day", "alpha_low", "alpha_high", "beta", "information_ratio"))
    low, high = alpha.interval()
    return {
        "alpha_bps_a_day": alpha.value * 1e4,
        "alpha_low": low * 1e4,
        "alpha_high": high * 1e4,
        "beta": beta.value,
        "information_ratio": float(alpha.value / residual.std(ddof=2) * np.sqrt(periods_per_year)),
    }


def _sharpe_interval(daily: Floats, periods_per_year: int) -> dict[str, float | None]:
    """95 % interval of the Sharpe ratio per year; None where returns are constant."""
    try:
        low, high = sharpe.estimate_of(daily).interval()
    except ValueError:
        return dict.fromkeys(("sharpe_low", "sharpe_high"))
    yearly = float(np.sqrt(periods_per_year))
    return {"sharpe_low": low * yearly, "sharpe_high": high * yearly}


def _ratio(daily: Floats, deviation: float, periods_per_year: int) -> float | None:
    return float(daily.mean() / deviation * np.sqrt(periods_per_year)) if deviation else None


def overlap_interval(day: Ints, values: Floats) -> tuple[float | None, float | None]:
    """95 % interval of the mean of `values`, one per decision; those of a day, and of neighbours, are dependent.

    None where the days show no error.
    """
    if not len(values) or np.ptp(values) == 0:
        return None, None
    _, index = np.unique(day, return_inverse=True)
    excess = np.bincount(index, weights=values - values.mean()).astype(np.float64)
    if len(excess) < 2 or is_constant(excess):
        return None, None
    error = ewc.mean_of(excess)
    return ewc.Estimate(float(values.mean()), error.error * len(excess) / len(values), error.degrees).interval()


def _capacity(book: Book, terms: Terms, gross: float, net: float) -> float | None:
    """Capital in currency at which costs take half of the gross return, by the square-root law of impact.

    `gross`, `net`: mean per day. None if they take half without impact, or if impact is not known.
    """
    impact = float(book.impact.sum() / len(book.day))
    fees = gross - net - terms.impact * np.sqrt(terms.capital) * (impact if terms.impact else 0.0)
    if not np.isfinite(impact) or impact <= 0 or gross / 2 <= fees:
        return None
    return float(((gross / 2 - fees) / ((terms.impact or 1.0) * impact)) ** 2)


def _spans(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where true values that follow each other begin and end."""
    padded = np.concatenate([[False], flags, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
