"""The teacher: gradient-boosted trees sized for a hundred rows, and its out-of-fold opinion of each of them."""

import json
from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from schemas.errors import RequestError
from schemas.messages import Metric
from workers.bars.series import Floats
from workers.learning.splits import Fold, TailSplit

MAX_ROUNDS = 200
EARLY_STOPPING_ROUNDS = 20
MAX_BIN = 64
EPSILON = 1e-6


@dataclass(frozen=True)
class Teacher:
    """A fitted booster, how many rounds early stopping kept, and what the booster itself says of its settings."""

    booster: xgb.Booster
    rounds: int
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
        "base_score": float(np.clip(prior, EPSILON, 1 - EPSILON)),
    }


def fit_teacher(x: Floats, y: NDArray[np.int8], weight: Floats, split: TailSplit, seed: int, device: str) -> Teacher:
    """Fit on `split.fit`, stop on the log loss of `split.tail`, keep the best rounds.

    Args: x (rows, features) with NaN for missing; y 0 or 1; weight, positive. Both classes must be in the fit part.
    RequestError if XGBoost trained elsewhere than on `device`.
    """
    fit = split.fit
    prior = float(np.average(y[fit], weights=weight[fit]))
    train = xgb.QuantileDMatrix(x[fit], y[fit], weight=weight[fit], max_bin=MAX_BIN)
    tail = xgb.QuantileDMatrix(x[split.tail], y[split.tail], max_bin=MAX_BIN, ref=train)
    history: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        _parameters(prior, seed, device),
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
    return Teacher(best, rounds, float(booster.best_score), parameters)


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


def predict(booster: xgb.Booster, x: Floats) -> Floats:
    """Probability of class 1 for each row of `x`."""
    return np.asarray(booster.inplace_predict(x), dtype=np.float64)


def out_of_fold(
    x: Floats, y: NDArray[np.int8], weight: Floats, folds: list[Fold], rounds: int, seed: int, device: str
) -> Floats:
    """Probability for each row from a model that saw no label overlapping it; the prior where that had one class.

    A half where no label is free of overlap.
    """
    probability = np.empty(len(y))
    for fold in folds:
        if not len(fold.fit):
            probability[fold.held_out] = 0.5
            continue
        prior = float(np.average(y[fold.fit], weights=weight[fold.fit]))
        if 0.0 < prior < 1.0:
            train = xgb.QuantileDMatrix(x[fold.fit], y[fold.fit], weight=weight[fold.fit], max_bin=MAX_BIN)
            booster = xgb.train(_parameters(prior, seed, device), train, rounds, verbose_eval=False)
            probability[fold.held_out] = predict(booster, x[fold.held_out])
        else:
            probability[fold.held_out] = prior
    return probability


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
