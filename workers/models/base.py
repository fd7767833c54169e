"""Interface of a student's model type: fit, predict, scale, encode, decode."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, Self

import numpy as np

from workers.bars.series import Floats


class Inputs(Protocol):
    """Features of the rows of several fits, gathered at each use: a panel's are too large to be kept twice."""

    def gathered(self, ones: int = 0) -> Floats:
        """All rows, shape (rows, features + ones), NaN where missing; the last `ones` columns are 1."""


@dataclass(frozen=True)
class Table:
    """Inputs in memory."""

    x: Floats

    def gathered(self, ones: int = 0) -> Floats:
        """A copy, with `ones` columns of 1 at its end."""
        return np.concatenate([self.x, np.ones((len(self.x), ones))], axis=1)


class Fit(NamedTuple):
    """Soft labels, weights and offsets of one of several fits on the same rows."""

    soft: Floats
    weight: Floats
    offset: Floats


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

    @classmethod
    def fit_many(cls, inputs: Inputs, fits: Iterable[Fit], seed: int) -> list[Self]:
        """Fit one model per element of `fits`; rows of weight 0 are left out.

        A type that can share work between fits on the same rows replaces this.
        """
        models, x = [], inputs.gathered()
        for each in fits:
            rows = np.flatnonzero(each.weight > 0)
            models.append(cls.fit(x[rows], each.soft[rows], each.weight[rows], each.offset[rows], seed))
        return models

    @abstractmethod
    def margin(self, x: Floats) -> Floats:
        """What each row of `x`, shape (rows, features), adds to the offset, as a logit."""

    @abstractmethod
    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""

    @abstractmethod
    def encode(self, features: Sequence[str]) -> bytes:
        """Content of the model's file, the names of its inputs included."""

    @classmethod
    @abstractmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read what `encode` wrote: the model and the names of its inputs. ValueError if it is damaged."""

    @classmethod
    def margins(cls, models: Sequence[Self], x: Floats) -> Floats:
        """Logit of each row of `x` by its own model of this type, shape (models,); the same bits as `margin`."""
        return np.array([model.margin(x[row : row + 1])[0] for row, model in enumerate(models)], dtype=np.float64)
