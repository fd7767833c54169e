"""Fit a window's teacher, and predict each of its rows with models that were not fitted on that row."""

from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from schemas.contract.errors import RequestError
from schemas.contract.task import Metric
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array, take
from workers.learning.splits import BLOCKS, TailSplit, apart, held_out_sets
from workers.models.xgboost import (
    EARLY_STOPPING_ROUNDS,
    EPSILON,
    MAX_BIN,
    MAX_ROUNDS,
    OUT_OF_FOLD_ROUNDS,
    fitted_parameters,
    parameters,
    predict,
)

# Rows of mean weight that a symbol needs of its own before its base rate counts as much as the panel's.
OFFSET_ROWS = 100.0


@dataclass(frozen=True)
class Sample:
    """Labelled rows that one teacher learns from, in order of their decisions; one value per row in each array.

    `x` is (rows, features), NaN where missing, on the teacher's device; `member` is the symbol, as a number from 0;
    `t0`, `t1` are the label's span on an axis that all members share; `weight` is positive.
    """

    x: Array
    y: NDArray[np.int8]
    t0: Ints
    t1: Ints
    weight: Floats
    member: Ints
    members: int

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Teacher:
    """A fitted booster, the rounds that early stopping kept, and the parameters in the booster's own configuration.

    `offsets` has one logit per member, which predictions of its rows start from.
    """

    booster: xgb.Booster
    rounds: int
    offsets: Floats
    tail_log_loss: float
    parameters: dict[str, Metric]


def offsets_of(sample: Sample, rows: Ints) -> Floats:
    """Logit of each member's share of positives among `rows`, shrunk to the pooled share by OFFSET_ROWS rows of it."""
    y, weight, member = sample.y[rows], sample.weight[rows], sample.member[rows]
    pooled = float(np.average(y, weights=weight))
    positive = np.bincount(member, weights=weight * y, minlength=sample.members)
    total = np.bincount(member, weights=weight, minlength=sample.members)
    share = np.clip((positive + OFFSET_ROWS * pooled) / (total + OFFSET_ROWS), EPSILON, 1.0 - EPSILON)
    logits: Floats = np.log(share / (1.0 - share))
    return logits


def fit_teacher(sample: Sample, split: TailSplit, seed: int, device: str) -> Teacher:
    """Fit on `split.fit`, stop on the log loss of `split.tail`, keep the best rounds.

    Both classes must be in the fit part. RequestError if XGBoost trained elsewhere than on `device`.
    """
    offsets = offsets_of(sample, split.fit)
    train = _matrix(sample, split.fit, offsets)
    tail = _matrix(sample, split.tail, offsets, ref=train, weighted=False)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        parameters(_prior(sample, split.fit), seed, device),
        train,
        MAX_ROUNDS,
        evals=[(tail, "tail")],
        early_stopping_rounds=EARLY_STOPPING_ROUNDS,
        evals_result=history,
        verbose_eval=False,
    )
    rounds = booster.best_iteration + 1
    best = booster[:rounds]
    fitted = fitted_parameters(best)
    if not str(fitted["device"]).startswith(device):
        # XGBoost only warns where it finds no usable GPU.
        raise RequestError(
            f"XGBoost was to train on {device} and trained on {fitted['device']};"
            " install an extra [cuda12] or [cuda13] that fits the driver"
        )
    return Teacher(best, rounds, offsets, float(booster.best_score), fitted)


def _prior(sample: Sample, rows: Ints) -> float:
    return float(np.average(sample.y[rows], weights=sample.weight[rows]))


def _matrix(
    sample: Sample, rows: Ints, offsets: Floats, ref: xgb.QuantileDMatrix | None = None, weighted: bool = True
) -> xgb.QuantileDMatrix:
    # A single member's offset is its prior, which base_score holds.
    margin = offsets[sample.member[rows]] if sample.members > 1 else None
    weight = sample.weight[rows] if weighted else None
    return xgb.QuantileDMatrix(
        take(sample.x, rows), sample.y[rows], weight=weight, base_margin=margin, max_bin=MAX_BIN, ref=ref, nthread=1
    )


def out_of_fold_predictions(
    sample: Sample, block: NDArray[np.int8], embargo: int, seed: int, device: str
) -> tuple[Floats, Ints]:
    """Predict each row with models that were not fitted on it; returns (predictions, fitted_by).

    Predictions have shape (rows, BLOCKS). Column b is for a student that must not know block b: it comes from a model
    fitted apart from block b and from the row's own block. `fitted_by` has bit m set where model m of
    `held_out_sets()` was fitted on the row. A model whose rows are of one class predicts their share; a model
    without rows predicts 0.5.
    """
    predictions = np.full((len(sample), BLOCKS), np.nan)
    fitted_by = np.zeros(len(sample), dtype=np.int64)
    for number, held_out in enumerate(held_out_sets()):
        fit = apart(sample.t0, sample.t1, block, held_out, embargo)
        fitted_by[fit] |= 1 << number
        judged = np.flatnonzero(np.isin(block, held_out))
        column = np.where(block[judged] == held_out[0], held_out[-1], held_out[0])
        predictions[judged, column] = _predict_held_out(sample, fit, judged, seed, device)
    return predictions, fitted_by


def _predict_held_out(sample: Sample, fit: Ints, judged: Ints, seed: int, device: str) -> Floats:
    """Probability for each of the rows `judged` from a model fitted on the rows `fit`."""
    if not len(fit):
        return np.full(len(judged), 0.5)
    prior = _prior(sample, fit)
    if not 0.0 < prior < 1.0:
        return np.full(len(judged), prior)
    offsets = offsets_of(sample, fit)
    margin = offsets[sample.member[fit]] if sample.members > 1 else None
    # Ten of these are fitted per teacher; for a few rows a plain matrix is built faster than a quantile one.
    rows = xgb.DMatrix(take(sample.x, fit), sample.y[fit], weight=sample.weight[fit], base_margin=margin, nthread=1)
    booster = xgb.train(parameters(prior, seed, device), rows, OUT_OF_FOLD_ROUNDS, verbose_eval=False)
    return predict(booster, take(sample.x, judged), offsets[sample.member[judged]] if sample.members > 1 else None)
