"""The teacher's gradient-boosted trees, sized for a hundred rows: parameters, prediction, importance, file content."""

import json
from typing import TYPE_CHECKING

import numpy as np

from schemas.contract.task import Metric
from workers.bars.series import Floats
from workers.devices.arrays import Array, to_host

if TYPE_CHECKING:  # a process that serves logistic students only does not load XGBoost
    import xgboost as xgb

MAX_ROUNDS = 200
EARLY_STOPPING_ROUNDS = 20
# Rounds of models that predict held-out rows; fixed, so that those rows cannot influence the number.
OUT_OF_FOLD_ROUNDS = 40
MAX_BIN = 64
EPSILON = 1e-6


def clip(probability: float) -> float:
    """`probability`, kept EPSILON away from 0 and 1."""
    return min(max(probability, EPSILON), 1.0 - EPSILON)


def parameters(seed: int, device: str) -> dict[str, object]:
    """XGBoost's parameters of a teacher. Its margins begin from an offset per row, which is no parameter."""
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
        "base_score": 0.5,
    }


def fitted_parameters(booster: "xgb.Booster") -> dict[str, Metric]:
    """Parameters that the booster was fitted with, read from its own configuration instead of the request."""
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


def predict(booster: "xgb.Booster", x: Array, offset: float | Floats) -> Floats:
    """Probability of class 1 per row of `x`; `offset` is the logit of the base rate that predictions start from."""
    margin = np.broadcast_to(np.asarray(offset, dtype=np.float32), (x.shape[0],)).copy()
    return to_host(booster.inplace_predict(x, base_margin=margin)).astype(np.float64)


def importance(booster: "xgb.Booster", features: tuple[str, ...]) -> list[tuple[str, float, int]]:
    """(feature, share of total gain, rank) per feature, best first; a feature that no split uses has share 0."""
    gain = {f"f{i}": 0.0 for i in range(len(features))} | {
        name: float(value if isinstance(value, int | float) else value[0])
        for name, value in booster.get_score(importance_type="total_gain").items()
    }
    total = sum(gain.values()) or 1.0
    order = sorted(
        ((features[int(key[1:])], value / total) for key, value in gain.items()), key=lambda r: (-r[1], r[0])
    )
    return [(name, share, rank) for rank, (name, share) in enumerate(order, start=1)]


def encode(booster: "xgb.Booster") -> bytes:
    """The booster as UBJSON."""
    return bytes(booster.save_raw("ubj"))


def decode(content: bytes) -> "xgb.Booster":
    """Read a stored booster, to predict on one thread."""
    import xgboost as xgb

    booster = xgb.Booster(params={"nthread": 1})
    booster.load_model(bytearray(content))
    return booster
