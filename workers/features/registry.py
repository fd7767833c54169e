"""The registry of features: what the models see, one column per feature in order of registration.

A feature has no unit, reads no later bar and declares its warm-up: the number of bars after which its value no longer
depends on where the history began. For a moving statistic that is its window; for a recursive one it was measured
as the settling from other seeds (relative difference under 1e-4: RSI 109, ATR 84, ADX 139, MACD 150 bars). A history
begins with the first bar of a session.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from schemas.contract.window import WARMUP_BARS
from workers.features.frame import Frame
from workers.features.indicators import Array, namespace


@dataclass(frozen=True)
class Feature:
    """A model input: `compute` maps a frame to one value per bar, without unit.

    `formula` is what it computes, in words of bars; `source` names its origin. Both stand in docs/features.md.
    """

    name: str
    formula: str
    source: str
    warmup_bars: int
    compute: Callable[[Frame], Array]


FEATURES: dict[str, Feature] = {}


def register(*features: Feature) -> None:
    """Append features to the models' inputs. ValueError for a taken name, or a warm-up longer than the plan allows."""
    for feature in features:
        if feature.name in FEATURES:
            raise ValueError(f"feature {feature.name!r} is already registered")
        if feature.warmup_bars > WARMUP_BARS:
            raise ValueError(
                f"feature {feature.name!r} needs {feature.warmup_bars} bars of warm-up; windows leave {WARMUP_BARS}"
                " (WARMUP_BARS in schemas/contract/window.py)"
            )
        FEATURES[feature.name] = feature


def feature_names() -> tuple[str, ...]:
    """Names of the built-in features, in the order of the models' columns."""
    return tuple(FEATURES)


def model_features(frame: Frame, names: Iterable[str] | None = None) -> Array:
    """Values of built-in features, shape (..., bars, features), in the frame's array module; of all if None.

    NaN where a feature is undefined: during its warm-up, where nothing was traded, where the price is flat.
    """
    xp = namespace(frame.close)
    chosen = FEATURES if names is None else names
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = xp.stack([FEATURES[name].compute(frame) for name in chosen], axis=-1)
    matrix[~xp.isfinite(matrix)] = xp.nan
    return matrix
