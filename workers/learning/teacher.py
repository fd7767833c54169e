"""Fit a window's teacher, and predict each of its rows with models that were not fitted on that row."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.contract.task import Metric
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array, take
from workers.learning.sample import Sample
from workers.learning.splits import BLOCKS, TailSplit, apart, held_out_sets
from workers.models.base import Model, Recipe, Rows


@dataclass(frozen=True)
class Teacher:
    """A fitted model, the rounds that early stopping kept, and the parameters that it was fitted with.

    `offsets` has the logit of each member's base rate, or its historical mean, which predictions of its rows start
    from. `tail_loss` and `tail_prior_loss` are mean losses of the rows that it was stopped on.
    """

    model: Model
    rounds: int
    offsets: Floats
    tail_loss: float
    tail_prior_loss: float
    parameters: dict[str, Metric]


def fit_teacher(sample: Sample, x: Array, split: TailSplit, model_type: type[Model], recipe: Recipe) -> Teacher:
    """Fit on `split.fit`, stop on the loss of `split.tail`. `x` are the sample's inputs, on the recipe's device.

    Labels must differ in the fit part. The teacher's `offsets` are of all known labels, the tail's too.
    """
    offsets = sample.offsets(_mask(sample, split.fit))
    tail = _rows(sample, x, split.tail, offsets)
    stopped = model_type.fit_stopped(_rows(sample, x, split.fit, offsets), tail, recipe)
    loss, family = stopped.loss, sample.family
    if loss is None:
        loss = family.mean_loss(tail.soft, stopped.model.predict(tail.x, tail.offset, sample.target))
    tail_prior = family.mean_loss(sample.y[split.tail], family.prediction(offsets[sample.member[split.tail]]))
    served = sample.offsets(np.ones(len(sample), dtype=bool))
    return Teacher(stopped.model, stopped.rounds, served, loss, tail_prior, stopped.parameters)


def _mask(sample: Sample, rows: Ints) -> NDArray[np.bool_]:
    mask = np.zeros(len(sample), dtype=bool)
    mask[rows] = True
    return mask


def _rows(sample: Sample, x: Array, rows: Ints, offsets: Floats) -> Rows:
    """Some rows of a sample, with their labels, weights and offsets."""
    soft = sample.y[rows].astype(np.float64)
    return Rows(take(x, rows), soft, sample.weight[rows], offsets[sample.member[rows]])


def out_of_fold_predictions(
    sample: Sample,
    x: Array,
    block: NDArray[np.int8],
    embargo: int,
    model_type: type[Model],
    recipe: Recipe,
    pairs: bool,
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
        predicted = _predict_held_out(sample, x, fit, judged, model_type, recipe)
        if len(held_out) == 1:
            own[judged] = predicted
        if without is not None:
            column = np.where(block[judged] == held_out[0], held_out[-1], held_out[0])
            without[judged, column] = predicted
    return own, without, fitted_by


def _predict_held_out(
    sample: Sample, x: Array, fit: Ints, judged: Ints, model_type: type[Model], recipe: Recipe
) -> Floats:
    """Prediction of each of the rows `judged` by a model fitted on the rows `fit`."""
    offsets = sample.offsets(_mask(sample, fit))
    if not len(fit):
        return sample.family.prediction(offsets[sample.member[judged]])
    model = model_type.fit(*_rows(sample, x, fit, offsets), recipe)
    return model.predict(take(x, judged), offsets[sample.member[judged]], sample.target)
