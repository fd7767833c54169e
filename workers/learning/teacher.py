"""Fit a window's teacher, and predict each of its rows with models that were not fitted on that row."""

from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.special import expit

from schemas.contract.errors import RequestError
from schemas.contract.task import Metric
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array, take
from workers.learning.sample import Sample
from workers.learning.splits import BLOCKS, TailSplit, apart, held_out_sets
from workers.models.xgboost import (
    EARLY_STOPPING_ROUNDS,
    MAX_BIN,
    MAX_ROUNDS,
    OUT_OF_FOLD_ROUNDS,
    fitted_parameters,
    parameters,
    predict,
)
from workers.scoring.log_loss import log_loss

# With more rows a matrix of bins, an eighth of the size, is worth the fifth of the time that it adds.
PLAIN_ROWS = 262_144


@dataclass(frozen=True)
class Teacher:
    """A fitted booster, the rounds that early stopping kept, and the parameters in the booster's own configuration.

    `offsets` has the logit of each member's base rate, which predictions of its rows start from.
    """

    booster: xgb.Booster
    rounds: int
    offsets: Floats
    tail_log_loss: float
    tail_prior_log_loss: float
    parameters: dict[str, Metric]


def fit_teacher(sample: Sample, x: Array, split: TailSplit, seed: int, device: str) -> Teacher:
    """Fit on `split.fit`, stop on the log loss of `split.tail`, keep the best rounds. `x` are the sample's inputs.

    Both classes must be in the fit part. The teacher's `offsets` are of all known labels, the tail's
    too. RequestError if XGBoost trained elsewhere than on `device`.
    """
    offsets = sample.offsets(_mask(sample, split.fit))
    train = _matrix(sample, x, split.fit, offsets)
    tail = _matrix(sample, x, split.tail, offsets, train)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        parameters(seed, device),
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
    tail_prior = log_loss(sample.y[split.tail], expit(offsets[sample.member[split.tail]]))
    served = sample.offsets(np.ones(len(sample), dtype=bool))
    return Teacher(best, rounds, served, float(booster.best_score), tail_prior, fitted)


def _mask(sample: Sample, rows: Ints) -> NDArray[np.bool_]:
    mask = np.zeros(len(sample), dtype=bool)
    mask[rows] = True
    return mask


def _matrix(sample: Sample, x: Array, rows: Ints, offsets: Floats, train: xgb.DMatrix | None = None) -> xgb.DMatrix:
    """Rows to fit on, with weights; with `train`, the rows that its model is stopped on.

    Models and predictions have the same bytes with either kind of matrix.
    """
    data = take(x, rows), sample.y[rows]
    margin = offsets[sample.member[rows]]
    weight = _scaled(sample.weight[rows]) if train is None else None
    if isinstance(train, xgb.QuantileDMatrix) or (train is None and len(rows) > PLAIN_ROWS):
        return xgb.QuantileDMatrix(*data, weight=weight, base_margin=margin, max_bin=MAX_BIN, ref=train, nthread=1)
    return xgb.DMatrix(*data, weight=weight, base_margin=margin, nthread=1)


def _scaled(weight: Floats) -> Floats:
    """Weights of mean 1: XGBoost's penalties are in rows."""
    result: Floats = weight / weight.mean()
    return result


def out_of_fold_predictions(
    sample: Sample, x: Array, block: NDArray[np.int8], embargo: int, seed: int, device: str, pairs: bool
) -> tuple[Floats, Floats | None, Ints]:
    """Predict each row with models that were not fitted on it; returns (own, without, fitted_by).

    `own` is predicted by the model without the row's own block. `without`, shape (rows, BLOCKS), is None unless there
    are `pairs`: column b is for a student that must not know block b, from a model fitted apart from block b and from
    the row's own block. `fitted_by` has bit m set where model m of `held_out_sets(pairs)` was fitted on the row. A
    model without rows predicts the base rate.
    """
    own, without = np.empty(len(sample)), np.empty((len(sample), BLOCKS)) if pairs else None
    fitted_by = np.zeros(len(sample), dtype=np.int64)
    for number, held_out in enumerate(held_out_sets(pairs)):
        fit = apart(sample.t0, sample.t1, block, held_out, embargo)
        fitted_by[fit] |= 1 << number
        judged = np.flatnonzero(np.isin(block, held_out))
        predicted = _predict_held_out(sample, x, fit, judged, seed, device)
        if len(held_out) == 1:
            own[judged] = predicted
        if without is not None:
            column = np.where(block[judged] == held_out[0], held_out[-1], held_out[0])
            without[judged, column] = predicted
    return own, without, fitted_by


def _predict_held_out(sample: Sample, x: Array, fit: Ints, judged: Ints, seed: int, device: str) -> Floats:
    """Probability for each of the rows `judged` from a model fitted on the rows `fit`."""
    offsets = sample.offsets(_mask(sample, fit))
    if not len(fit):
        base_rate: Floats = expit(offsets[sample.member[judged]])
        return base_rate
    rows = _matrix(sample, x, fit, offsets)
    # `xgb.train` asks its callbacks and copies the booster: a quarter of the time of a few rows, for the same trees.
    booster = xgb.Booster(parameters(seed, device), [rows])
    for number in range(OUT_OF_FOLD_ROUNDS):
        booster.update(rows, number)
    return predict(booster, take(x, judged), offsets[sample.member[judged]])
