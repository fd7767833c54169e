"""Interface of a model type, of teachers and of students: fit, predict, scale, encode, decode.

The target of a fit is a class or a value. A label that is to be fitted is called soft: it may lie between the classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from schemas.config.model_kinds import Parameters
from schemas.config.target import CLASS, Target
from schemas.contract.task import Metric
from workers.bars.series import Floats
from workers.devices.arrays import Array, to_host

ROWS_TRIED = 256

M = TypeVar("M", covariant=True)


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


@dataclass(frozen=True)
class Recipe:
    """How a model is fitted: its type's parameters, the seed of its random numbers, the device, and the target.

    `device` is "cpu" or "cuda".
    """

    parameters: Parameters
    seed: int
    device: str = "cpu"
    target: Target = CLASS


class Rows(NamedTuple):
    """What a model is fitted or stopped on: inputs, soft labels, weights and offsets, one value per row."""

    x: Array
    soft: Floats
    weight: Floats
    offset: Floats


@dataclass(frozen=True)
class Stopped(Generic[M]):
    """A model whose size was chosen on other rows.

    `rounds` are the trees or passes that were kept; `parameters` those that it was fitted with; `loss` the mean one of
    the other rows, if the type measures it in its own way.
    """

    model: M
    rounds: int
    parameters: dict[str, Metric]
    loss: float | None = None


class Model(ABC):
    """A fitted model. A subclass is a model type and registers itself with `workers.models.registry.register`."""

    kind: ClassVar[str]
    """Name of the type, as in the settings `teacher` and `student`."""

    file_name: ClassVar[str]
    """File that holds a model of this type, and of no other that has the same role: `model.` and an ending."""

    on_gpu: ClassVar[bool] = False
    """Whether a teacher of this type is fitted on the device that it is given, from inputs there; else on the CPU."""

    is_fragile: ClassVar[bool] = True
    """Whether a damaged file can crash or hang what reads it, so that a child process must read it first."""

    @classmethod
    @abstractmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        """Fit what `x` adds to `offset`: the logit of each row's base rate, for soft labels in [0, 1], or its mean.

        `x` has shape (rows, features), NaN where missing; `weight` is positive.
        """

    @classmethod
    def fit_stopped(cls, rows: Rows, tail: Rows, recipe: Recipe) -> Stopped[Self]:
        """Fit a teacher on `rows`, and measure it on `tail`.

        A type that adds trees or passes replaces this and chooses their number on `tail`.
        """
        model = cls.fit(*rows, recipe)
        return Stopped(model, model.rounds, {**recipe.parameters.model_dump(), "seed": recipe.seed})

    @classmethod
    def fit_many(cls, inputs: Inputs, fits: Iterable[Fit], recipe: Recipe) -> list[Self]:
        """Fit one model per element of `fits`; rows of weight 0 are left out.

        A type that can share work between fits on the same rows replaces this.
        """
        models, x = [], inputs.gathered()
        for each in fits:
            rows = np.flatnonzero(each.weight > 0)
            models.append(cls.fit(x[rows], each.soft[rows], each.weight[rows], each.offset[rows], recipe))
        return models

    @abstractmethod
    def margin(self, x: Floats) -> Floats:
        """What each row of `x`, shape (rows, features), adds to the offset: to a logit, or to a value."""

    @abstractmethod
    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""

    def predict(self, x: Array, offset: float | Floats, target: Target = CLASS) -> Floats:
        """Probability of class 1, or the value, per row of `x`, which may be on the device; `offset` as of the fit."""
        return predicted(offset + self.margin(to_host(x)), target)

    @property
    def rounds(self) -> int:
        """Trees or passes of the model; 1 for one that has none."""
        return 1

    def importance(self, features: Sequence[str]) -> list[tuple[str, float, int]]:
        """(feature, share of the model's total gain, rank) per feature, best first; empty for a type without gains."""
        return []

    @abstractmethod
    def encode(self, features: Sequence[str]) -> bytes:
        """Content of the model's file, the names of its inputs included."""

    @classmethod
    @abstractmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read what `encode` wrote: the model and the names of its inputs. ValueError if it is damaged."""

    @classmethod
    def margins(cls, models: Sequence[Self], x: Floats) -> Floats:
        """Margin of each row of `x` by its own model of this type, shape (models,); the same bits as `margin`."""
        return np.array([model.margin(x[row : row + 1])[0] for row, model in enumerate(models)], dtype=np.float64)

    @classmethod
    def teacher_file(cls) -> str:
        """File of such a model in the folder of a student that adds its teacher's margins."""
        return f"teacher.{cls.file_name.removeprefix('model.')}"

    @classmethod
    def refuse_harmful(cls, content: bytes) -> None:
        """ValueError unless a model of unknown origin can be read, and predicts one finite number per row.

        Called in a child process, which `content` may end.
        """
        model, features = cls.decode(content)
        refuse_other_margins(model.margin(random_rows(len(features))))


def random_rows(features: int) -> Floats:
    """Rows with every tenth value missing, shape (ROWS_TRIED, features), the same at each call."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS_TRIED, features))
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def refuse_other_margins(margin: Floats) -> None:
    """ValueError unless a model gave random rows one finite number each."""
    if margin.shape != (ROWS_TRIED,) or not np.all(np.isfinite(margin)):
        raise ValueError("predictions that are not one finite number per row")


def ranked(gain: dict[str, float]) -> list[tuple[str, float, int]]:
    """(feature, share of the total, rank) from a gain per feature, best first, ties by name."""
    total = sum(gain.values()) or 1.0
    order = sorted(((name, value / total) for name, value in gain.items()), key=lambda row: (-row[1], row[0]))
    return [(name, share, rank) for rank, (name, share) in enumerate(order, start=1)]


def predicted(margin: Floats, target: Target) -> Floats:
    """Predictions of margins: probabilities of class 1, or values."""
    return sigmoid(margin) if target == CLASS else margin


def sigmoid(margin: Floats) -> Floats:
    """The logistic function, without overflow on either side."""
    small = np.exp(-np.abs(margin))
    result: Floats = np.where(margin >= 0, 1.0, small) / (1.0 + small)
    return result
