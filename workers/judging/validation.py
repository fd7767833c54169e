"""Validation of a run: scores and trading results of all its out-of-sample rows, pooled.

A mean of per-window AUCs is never used: it is biased upwards even on random walks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.config.interval import is_intraday
from schemas.config.run import RunConfig
from schemas.config.target import CLASS, LOSSES, PRIOR, VALUE, ZERO
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import PhaseError
from schemas.contract.judgement import (
    ALWAYS_LONG,
    Ordering,
    Scores,
    TeacherEffect,
    Validation,
    ValueScores,
    opponent_of,
)
from schemas.contract.task import Metric
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.run_files import read_manifest
from workers.bars import store
from workers.bars.calendar import day_of
from workers.bars.series import Floats, Ints, Series
from workers.judging.book import Book, Decisions, Terms, keep_book
from workers.judging.costs import costs_on, schedule_of
from workers.judging.long_short import long_short
from workers.judging.performance import by_month, falls, overlap_interval, results
from workers.judging.predictions import BASELINES, MODELS, Predictions, decode, pool
from workers.scoring import metrics
from workers.scoring.constancy import is_constant
from workers.scoring.ewc import mean_of
from workers.scoring.family import FAMILIES, Family
from workers.scoring.log_loss import daily_means, skill
from workers.scoring.ranking import ranking
from workers.side.universe import with_members

MOMENTUM, REVERSAL = "momentum", "reversal"
MOMENTUM_BARS, REVERSAL_BARS = 20, 5


@dataclass(frozen=True)
class ScoringInputs:
    """The inputs of a run's scores: its rows, the bars of its symbols, its settings and the terms of its trades."""

    predictions: Predictions
    bars: dict[str, Series]
    settings: TrainingSettings
    terms: Terms


def validate(layout: RunLayout) -> Validation:
    """Score a run, and write its pooled rows and daily returns to its folder.

    PhaseError if a file of the run is missing or changed, DataError if its bars are.
    """
    manifest = read_manifest(layout)
    table, digests = pool(layout)
    predictions = decode(table)
    bars, bar_digests = bars_of(layout, manifest, predictions)
    judged = ScoringInputs(predictions, bars, manifest.config.training(), terms_of(manifest.config))
    decided = strategies(judged)
    books = {name: keep_book(predictions, bars, each, judged.terms) for name, each in decided.items()}
    market, weight = books[ALWAYS_LONG].daily, decided["student"].weight
    family = FAMILIES[judged.settings.target]
    held = weight != 0
    scored = class_scores(predictions) if family.target == CLASS else value_scores(predictions)
    simplest = opponent_of(family.loss, scored)
    write_atomic(layout.scored_rows, store.encode(table))
    write_atomic(layout.daily_returns, store.encode(_daily_table(books)))
    year = predictions.day.astype("M8[D]").astype("M8[Y]").astype(str)
    constant = [str(name) for name in set(predictions.window.tolist()) if _is_constant(predictions, name)]
    files = {path.relative_to(layout.folder).as_posix(): path for path in (layout.scored_rows, layout.daily_returns)}
    return Validation(
        run_id=manifest.run_id,
        target=family.target,
        windows=len(digests),
        taught=teacher_effect(predictions, family),
        constant_windows=len(constant),
        constant_trades=int(held[np.isin(predictions.window.astype(str), constant)].sum()),
        rows=len(predictions),
        days=len(np.unique(predictions.day)),
        first=day_of(predictions.day.min()),
        last=day_of(predictions.day.max()),
        scores=scored,
        trading={
            name: results(book, predictions, decided[name], judged.terms, manifest.periods_per_year, market)
            for name, book in books.items()
        },
        falls=falls(books["student"].day, books["student"].daily),
        months=by_month(books["student"].day, books["student"].daily),
        overlap_days=overlap_days(predictions, judged.settings),
        costs=manifest.config.costs,
        round_trip_bps=float(_round_trip(judged).mean() * 1e4),
        slippage_bps=manifest.config.slippage_bps,
        per_symbol=scores_by(predictions, weight, predictions.symbol, family, simplest),
        per_year=scores_by(predictions, weight, year, family, simplest),
        per_window=scores_by(predictions, weight, predictions.window, family, simplest),
        sha256={name: sha256_of(path) for name, path in files.items()},
        inputs=digests | bar_digests,
    )


def terms_of(config: RunConfig) -> Terms:
    """Return the terms on which a run's decisions are traded."""
    return Terms(
        horizon_bars=config.horizon,
        entry=config.entry,
        by_session=is_intraday(config.interval) and not config.cross_session,
        skip_jumps=not config.keep_jumps,
        band=config.trade_band,
        borrow=config.borrow_bps / 1e4,
        schedule=schedule_of(config),
        slippage=config.slippage_bps / 1e4,
        order_value=config.order_value,
        impact=config.impact,
        capital=config.capital,
    )


def bars_of(
    layout: RunLayout, manifest: RunManifest, predictions: Predictions
) -> tuple[dict[str, Series], dict[str, str]]:
    """Read the stored bars of every scored symbol; return them with their digests.

    PhaseError if the run has no bars yet, DataError if the stored bars are not those that the run was trained on.
    """
    if manifest.bars is None:
        raise PhaseError(f"{layout.manifest} lists no bars: the run ended before its ingestion; resume it")
    folder = BarsLayout.under(layout.folder.parent.parent, manifest.config.interval)
    digests = {symbol: row.sha256 for symbol, row in manifest.bars.symbols.items()}
    symbols = sorted(set(predictions.symbol.tolist()))
    members = manifest.config.members
    bars = {
        symbol: with_members(symbol, store.load(folder.bars_of(symbol, digests[symbol]), digests[symbol]), members)
        for symbol in symbols
    }
    return bars, {f"data/bars/{manifest.config.interval}/{symbol}.parquet": digests[symbol] for symbol in symbols}


def strategies(judged: ScoringInputs) -> dict[str, Decisions]:
    """Return the decisions of each strategy.

    Models, and the base rate, hold a row above the student's threshold, until its label ends. Three rules without
    learning decide beside them and hold for the horizon: always long, long after a rise over 20 bars, and long after a
    fall over 5. With rank labels all but always long are long-short: models by their probabilities, the base rate by
    its share, momentum by the rise and reversal by the fall. A model that adds nothing to the base rate, or whose
    student makes no trade, holds nothing.
    """
    predictions, ranks = judged.predictions, judged.settings.label == "rank"
    names = [name for name in (*MODELS, "prior") if name != "teacher" or not judged.settings.privileged]
    by_model = _ranked if ranks else _above_threshold
    models = {name: Decisions(by_model(predictions, name), predictions.label_end) for name in names}
    rise, fall = np.zeros((2, len(predictions)))
    end = np.zeros(len(predictions), dtype=np.int64)
    for symbol, series in judged.bars.items():
        mine = predictions.rows_of[symbol]
        t0 = np.searchsorted(series.timestamp, predictions.timestamp[mine])
        rise[mine] = series.close[t0] / series.close[t0 - MOMENTUM_BARS] - 1.0
        fall[mine] = 1.0 - series.close[t0] / series.close[t0 - REVERSAL_BARS]
        end[mine] = series.timestamp[t0 + judged.settings.horizon_bars]
    rules = {MOMENTUM: rise, REVERSAL: fall}
    weights = {name: long_short(predictions, x) if ranks else (x > 0).astype(float) for name, x in rules.items()}
    weights[ALWAYS_LONG] = np.ones(len(predictions))
    return models | {name: Decisions(weights[name], end) for name in (ALWAYS_LONG, MOMENTUM, REVERSAL)}


def _above_threshold(predictions: Predictions, name: str) -> Floats:
    p: Floats = getattr(predictions, name)
    return (p > predictions.trade_above).astype(np.float64)


def _ranked(predictions: Predictions, name: str) -> Floats:
    p: Floats = getattr(predictions, name)
    idle = (p == predictions.prior) | np.isinf(predictions.trade_above)
    return long_short(predictions, p if name == "prior" else np.where(idle, np.nan, p))


def overlap_days(predictions: Predictions, settings: TrainingSettings) -> int:
    """Return how many days a label lasts: the horizon over the most decisions per symbol and day, rounded up."""
    _, symbol = np.unique(predictions.symbol.astype(str), return_inverse=True)
    _, decisions = np.unique(np.stack([symbol, predictions.day]), axis=1, return_counts=True)
    return -(-settings.horizon_bars // int(decisions.max()))


def class_scores(predictions: Predictions) -> dict[str, Scores]:
    """Score each model's probabilities over all rows."""
    return {name: scores(predictions, name) for name in (*BASELINES, *MODELS)}


def value_scores(predictions: Predictions) -> dict[str, ValueScores]:
    """Score each model's values over all rows, and a prediction of 0; see `ValueScores`."""
    y, losses = predictions.y, FAMILIES[VALUE].mean_loss
    opponents = {name: losses(y, getattr(predictions, name)) for name in LOSSES[VALUE].opponents}
    found = {}
    for name in (*BASELINES, ZERO, *MODELS):
        p: Floats = getattr(predictions, name)
        error = losses(y, p)
        found[name] = ValueScores(
            squared_error=error,
            skill=skill(error, min(opponents.values())),
            r2=skill(error, opponents[PRIOR]),
            sign_accuracy=metrics.sign_accuracy(y, p),
            **vars(_order(predictions, p)),
        )
    return found


def scores(predictions: Predictions, name: str) -> Scores:
    """Score one model's probabilities over all rows; its skill is relative to the prior's log loss."""
    y, p = predictions.y, getattr(predictions, name)
    parts = metrics.brier(y, p)
    log_loss = FAMILIES[CLASS].mean_loss
    loss = log_loss(y, p)
    return Scores(
        log_loss=loss,
        skill=skill(loss, log_loss(y, predictions.prior)),
        brier=parts.score,
        reliability=parts.reliability,
        resolution=parts.resolution,
        uncertainty=parts.uncertainty,
        auc=metrics.auc(y, p),
        ece=metrics.ece(y, p),
        mcc=metrics.mcc(y, p > predictions.trade_above),
        **vars(_order(predictions, p)),
    )


def _order(predictions: Predictions, p: Floats) -> Ordering:
    """How well predictions order the symbols of an instant by their returns."""
    order = ranking(predictions.timestamp, predictions.day, p, predictions.forward_return)
    return Ordering(
        rank_ic=order.ic.value if order.ic else None,
        rank_ic_t=order.ic.t if order.ic else None,
        tail_spread_bps=order.spread.value * 1e4 if order.spread else None,
        tail_spread_t=order.spread.t if order.spread else None,
    )


def teacher_effect(predictions: Predictions, family: Family) -> TeacherEffect:
    """Compare the students with those that were fitted without a teacher."""
    changed = predictions.student != predictions.alone
    without, own = (family.losses(predictions.y, p) for p in (predictions.alone, predictions.student))
    _, saved = daily_means(predictions.day, without - own)
    estimate = None if is_constant(saved) else mean_of(saved)
    return TeacherEffect(
        windows=len(np.unique(predictions.window[changed].astype(str))),
        saved=estimate and estimate.value,
        error=estimate and estimate.error,
    )


def _is_constant(predictions: Predictions, window: str) -> bool:
    mine = predictions.window == window
    return bool((predictions.student[mine] == predictions.prior[mine]).all())


def _round_trip(judged: ScoringInputs) -> Floats:
    days = np.unique(judged.predictions.day)
    buy, sell = costs_on(days, judged.terms.schedule, judged.terms.order_value)
    result: Floats = buy + sell
    return result


def scores_by(
    predictions: Predictions, weight: Floats, group: NDArray[Any], family: Family, simplest: str
) -> dict[str, dict[str, Metric]]:
    """Score the rows of each value of `group`; `weight`: the student's, shape (rows,).

    `simplest`: the prediction that skill is measured beside, that of the whole run.
    """
    names = sorted(set(group.tolist()))
    return {str(name): _part(predictions, weight, np.flatnonzero(group == name), family, simplest) for name in names}


def _part(predictions: Predictions, weight: Floats, rows: Ints, family: Family, simplest: str) -> dict[str, Metric]:
    y, loss = predictions.y[rows], family.loss
    losses = {name: family.mean_loss(y, getattr(predictions, name)[rows]) for name in ("prior", simplest, "student")}
    traded = rows[weight[rows] != 0]
    gross = np.sign(weight[traded]) * predictions.forward_return[traded]
    low, high = overlap_interval(predictions.day[traded], gross)
    return {
        "rows": len(rows),
        **({"positives": int(y.sum())} if family.target == CLASS else {"mean_label": float(y.mean())}),
        **{f"{name}_{loss.key}": each for name, each in losses.items()},
        loss.skill_key: skill(losses["student"], losses[simplest]),
        "trades": len(traded),
        "gross_bps_a_trade": float(gross.mean() * 1e4) if len(traded) else None,
        "gross_low": None if low is None else low * 1e4,
        "gross_high": None if high is None else high * 1e4,
    }


def _daily_table(books: Mapping[str, Book]) -> pa.Table:
    first = next(iter(books.values()))
    day = pa.array(first.day.astype(np.int32)).cast(pa.date32())
    return pa.table({"day": day} | {name: book.daily for name, book in books.items()})
