"""The teacher: gradient-boosted trees sized for a hundred rows, and its out-of-fold opinion of each of them."""

import json
from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from schemas.contract.errors import RequestError
from schemas.contract.task import Metric
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array, take, to_host
from workers.learning.splits import BLOCKS, TailSplit, apart, held_out_sets

MAX_ROUNDS = 200
EARLY_STOPPING_ROUNDS = 20
# Of models that predict held-out rows: fixed, so that nothing about those rows had a say in it.
OUT_OF_FOLD_ROUNDS = 40
MAX_BIN = 64
EPSILON = 1e-6
# Rows of mean weight that a symbol needs of its own before its base rate counts as much as the panel's.
OFFSET_ROWS = 100.0


@dataclass(frozen=True)
class Sample:
    """Labelled rows that one teacher learns from, in order of their decisions; one value a row in each array.

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
    """A fitted booster, how many rounds early stopping kept, and what the booster itself says of its settings.

    `offsets` has a logit for each member, which its rows' predictions begin from.
    """

    booster: xgb.Booster
    rounds: int
    offsets: Floats
    tail_log_loss: float
    parameters: dict[str, Metric]


def _parameters(prior: float, seed: int, device: str) -> dict[str, object]:
    return {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "device": device,
        "nthread": 1,
        "seed": seed,
        "max_bin": MAX_BIN,
        "max_depth": 3,
        "eta": 0.05,
        "min_child_weight": 3.0,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "reg_lambda": 5.0,
        "base_score": clip(prior),
    }


def clip(probability: float) -> float:
    """`probability`, kept away from 0 and 1."""
    return min(max(probability, EPSILON), 1.0 - EPSILON)


def offsets_of(sample: Sample, rows: Ints) -> Floats:
    """Each member's logit of its share of positives among `rows`, drawn to that of all by OFFSET_ROWS rows of it."""
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
        _parameters(_prior(sample, split.fit), seed, device),
        train,
        MAX_ROUNDS,
        evals=[(tail, "tail")],
        early_stopping_rounds=EARLY_STOPPING_ROUNDS,
        evals_result=history,
        verbose_eval=False,
    )
    rounds = booster.best_iteration + 1
    best = booster[:rounds]
    parameters = _fitted_parameters(best)
    if not str(parameters["device"]).startswith(device):
        # It only warns where it finds no GPU that it can use.
        raise RequestError(
            f"XGBoost was to train on {device} and trained on {parameters['device']};"
            " install an extra [cuda12] or [cuda13] that fits the driver"
        )
    return Teacher(best, rounds, offsets, float(booster.best_score), parameters)


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


def _fitted_parameters(booster: xgb.Booster) -> dict[str, Metric]:
    """What the booster's own config says, not what was asked for."""
    config = json.loads(booster.save_config())["learner"]
    tree = config["gradient_booster"]["tree_train_param"]
    keys = ("max_depth", "eta", "min_child_weight", "subsample", "colsample_bytree", "lambda", "max_bin")
    return {
        "objective": config["objective"]["name"],
        "base_score": config["learner_model_param"]["base_score"],
        "device": config["generic_param"]["device"],
        "nthread": config["generic_param"]["nthread"],
        "seed": config["generic_param"]["seed"],
        "tree_method": config["gradient_booster"]["gbtree_train_param"]["tree_method"],
        **{key: tree[key] for key in keys},
    }


def predict(booster: xgb.Booster, x: Array, offset: float | Floats | None = None) -> Floats:
    """Probability of class 1 for each row of `x`; `offset`, the logit that a panel's booster begins from."""
    margin = None if offset is None else np.broadcast_to(np.asarray(offset, dtype=np.float32), (x.shape[0],)).copy()
    return to_host(booster.inplace_predict(x, base_margin=margin)).astype(np.float64)


def opinions(sample: Sample, block: NDArray[np.int8], embargo: int, seed: int, device: str) -> tuple[Floats, Ints]:
    """What teachers say of rows that they never saw, shape (rows, BLOCKS), and who saw which row.

    Column b holds the opinion for a student that must not know block b: that of a model fitted apart from block b
    and from the row's own. The second array has bit m set where model m of `held_out_sets()` was fitted on the row.
    A model that finds fewer than two classes says their share; one that finds no row says a half.
    """
    said = np.full((len(sample), BLOCKS), np.nan)
    fitted_by = np.zeros(len(sample), dtype=np.int64)
    for number, held_out in enumerate(held_out_sets()):
        fit = apart(sample.t0, sample.t1, block, held_out, embargo)
        fitted_by[fit] |= 1 << number
        judged = np.flatnonzero(np.isin(block, held_out))
        column = np.where(block[judged] == held_out[0], held_out[-1], held_out[0])
        said[judged, column] = _said(sample, fit, judged, seed, device)
    return said, fitted_by


def _said(sample: Sample, fit: Ints, judged: Ints, seed: int, device: str) -> Floats:
    """Probability for each of the rows `judged` from a model fitted on the rows `fit`."""
    if not len(fit):
        return np.full(len(judged), 0.5)
    prior = _prior(sample, fit)
    if not 0.0 < prior < 1.0:
        return np.full(len(judged), prior)
    offsets = offsets_of(sample, fit)
    margin = offsets[sample.member[fit]] if sample.members > 1 else None
    # Ten of these are fitted for one teacher, and a few rows are sooner in a plain matrix than in a quantile one.
    rows = xgb.DMatrix(take(sample.x, fit), sample.y[fit], weight=sample.weight[fit], base_margin=margin, nthread=1)
    booster = xgb.train(_parameters(prior, seed, device), rows, OUT_OF_FOLD_ROUNDS, verbose_eval=False)
    return predict(booster, take(sample.x, judged), offsets[sample.member[judged]] if sample.members > 1 else None)


def importance(booster: xgb.Booster, features: tuple[str, ...]) -> list[tuple[str, float, int]]:
    """(feature, share of total gain, rank) for every feature, best first; a feature never split on has 0."""
    gain = {f"f{i}": 0.0 for i in range(len(features))} | {
        name: float(value if isinstance(value, int | float) else value[0])
        for name, value in booster.get_score(importance_type="total_gain").items()
    }
    total = sum(gain.values()) or 1.0
    order = sorted(
        ((features[int(key[1:])], value / total) for key, value in gain.items()), key=lambda r: (-r[1], r[0])
    )
    return [(name, share, rank) for rank, (name, share) in enumerate(order, start=1)]
