"""Interface of a student's model type: fit, predict, calibrate, encode, decode."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from workers.bars.series import Floats


class Model(ABC):
    """A fitted student. A subclass is a model type and registers itself with `workers.models.registry.register`."""

    kind: ClassVar[str]
    """Name of the type, as in the setting `student`."""

    file_name: ClassVar[str]
    """File in a student's folder that holds a model of this type, and of no other."""

    @classmethod
    @abstractmethod
    def fit(cls, x: Floats, soft: Floats, weight: Floats, offset: Floats, seed: int) -> Self:
        """Fit what `x` adds to `offset`, the logit of each row's base rate, for soft labels in [0, 1].

        `x` has shape (rows, features), NaN where missing; `weight` is positive.
        """

    @abstractmethod
    def margin(self, x: Floats) -> Floats:
        """What each row of `x`, shape (rows, features), adds to the offset, as a logit."""

    @abstractmethod
    def calibrated(self, slope: float, intercept: float) -> Self:
        """Model whose margin is `slope` times this one's plus `intercept`."""

    @abstractmethod
    def encode(self, features: Sequence[str], trade_above: float | None) -> bytes:
        """Content of the model's file, the names of its inputs and its trade threshold included."""

    @classmethod
    @abstractmethod
    def decode(cls, content: bytes) -> "StoredModel":
        """Read what `encode` wrote. ValueError if it is damaged."""

    @classmethod
    def margins(cls, models: Sequence[Self], x: Floats) -> Floats:
        """Logit of each row of `x` by its own model of this type, shape (models,); the same bits as `margin`."""
        return np.array([model.margin(x[row : row + 1])[0] for row, model in enumerate(models)], dtype=np.float64)


@dataclass(frozen=True)
class StoredModel:
    """A decoded student: its model, the names of its inputs, and the probability above which a trade pays, if any."""

    model: Model
    features: tuple[str, ...]
    trade_above: float | None
