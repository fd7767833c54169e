"""Logistic student: its scaler is folded into one coefficient vector, served as a dot product."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

import numpy as np

from schemas.config.model_kinds import LinearParameters
from schemas.contract.artifact import StudentModel
from schemas.files.atomic import to_json
from schemas.files.layout import MODEL_JSON
from workers.bars.series import Floats
from workers.devices.arrays import Array
from workers.models.base import Fit, Inputs, Model, Recipe, Table
from workers.models.registry import register

# Keeps the intercept finite where all labels are of one class.
INTERCEPT_RIDGE = 1e-6
MAX_ITERATIONS = 50
TOLERANCE = 1e-10
# Rows that are weighted at once: bounds the memory of a panel of many symbols.
CHUNK_ROWS = 65_536
# Rows that are copied at once while columns are standardised.
COPIED_ROWS = 16_384


@register
@dataclass(frozen=True)
class Logistic(Model):
    """margin = intercept + sum(coefficients * x), with each NaN of x replaced by `fill`. Predicts with numpy alone."""

    kind: ClassVar[str] = "logistic"
    file_name: ClassVar[str] = MODEL_JSON
    is_fragile: ClassVar[bool] = False

    coefficients: Floats
    intercept: float
    fill: Floats

    @classmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        """Fit by Newton's method; `weight` sums to the number of independent rows. Nothing in it is random."""
        return cls.fit_many(Table(x), [Fit(soft, weight, offset)], recipe)[0]

    @classmethod
    def fit_many(cls, inputs: Inputs, fits: Iterable[Fit], recipe: Recipe) -> list[Self]:
        """Fit each model on columns that are standardised once, on all rows; NaN becomes the column's mean."""
        columns = inputs.gathered(ones=1)
        fill, scale = _standardise(columns[:, :-1])
        penalty = np.full(columns.shape[1], cast(LinearParameters, recipe.parameters).ridge)
        penalty[-1] = INTERCEPT_RIDGE
        models = []
        for each in fits:
            fitted = cls.solve(columns, *each, penalty)
            coefficients = fitted[:-1] / scale
            models.append(cls(coefficients, float(fitted[-1] - (coefficients * fill).sum()), fill))
        return models

    @classmethod
    def solve(cls, columns: Floats, soft: Floats, weight: Floats, offset: Floats, penalty: Floats) -> Floats:
        """Coefficients on columns, the last of which is 1."""
        return newton(columns, soft, weight, offset, penalty)

    def margin(self, x: Floats) -> Floats:
        """Margin per row of `x`, shape (rows, features)."""
        return _dot(self.coefficients, self.intercept, self.fill, x)

    @classmethod
    def margins(cls, models: Sequence[Self], x: Floats) -> Floats:
        """Logit of each row of `x` by its own model, in one operation over all of them."""
        return _dot(
            np.stack([model.coefficients for model in models]),
            np.array([model.intercept for model in models]),
            np.stack([model.fill for model in models]),
            x,
        )

    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""
        # Adding 0 makes -0 a plain 0 where the factor is 0.
        return replace(self, coefficients=factor * self.coefficients + 0.0, intercept=factor * self.intercept + 0.0)

    def encode(self, features: Sequence[str]) -> bytes:
        """The model as JSON of the schema `StudentModel`."""
        stored = StudentModel(
            kind=self.kind,
            features=tuple(features),
            coefficients=tuple(self.coefficients.tolist()),
            intercept=self.intercept,
            fill=tuple(self.fill.tolist()),
        )
        return to_json(stored.model_dump(mode="json")).encode()

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read a stored model. ValueError if it does not meet its schema, or has not one number per feature."""
        stored = StudentModel.model_validate_json(content)
        if stored.kind != cls.kind:
            raise ValueError(f"it is of kind {stored.kind}, not {cls.kind}")
        if not len(stored.coefficients) == len(stored.fill) == len(stored.features):
            raise ValueError("it has not one coefficient and one fill value per feature")
        return cls(np.asarray(stored.coefficients), stored.intercept, np.asarray(stored.fill)), stored.features


def _standardise(x: Floats) -> tuple[Floats, Floats]:
    """Fill and scale the columns of `x` in place; returns each column's mean, which replaces NaN, and its deviation.

    The bits of `x.sum(axis=0)` and `x.std(axis=0)`, which would make copies of `x`.
    """
    parts = [x[begin : begin + COPIED_ROWS] for begin in range(0, len(x), COPIED_ROWS)]
    observed = sum(np.isfinite(part).sum(axis=0) for part in parts)
    fill = _total(np.where(np.isfinite(part), part, 0.0) for part in parts) / np.maximum(observed, 1)
    for part in parts:
        np.copyto(part, fill, where=~np.isfinite(part))
    mean = x.sum(axis=0) / len(x)
    scale: Floats = np.sqrt(_total(np.square(part - mean) for part in parts) / len(x))
    scale[scale < 1e-12] = np.inf
    x -= fill
    x /= scale
    return fill, scale


def _total(parts: Iterable[Floats]) -> Floats:
    """Sum over the rows of all parts. NumPy adds row after row, so the sum of the parts before is put first."""
    total: Floats | None = None
    for part in parts:
        total = (part if total is None else np.concatenate([total[None, :], part])).sum(axis=0)
    assert total is not None
    return total


def newton(columns: Floats, soft: Floats, weight: Floats, offset: Floats, penalty: Floats) -> Floats:
    """Coefficients that minimise the weighted cross-entropy of soft labels plus half the penalised squares.

    `columns` has shape (rows, coefficients), `penalty` one value per coefficient; the logit of a row starts from its
    `offset`. A step that would raise the loss is halved.
    """
    from scipy.special import expit  # not imported when serving

    coefficients = np.zeros(columns.shape[1])
    margin = offset.astype(np.float64)
    loss = _loss(margin, soft, weight, penalty, coefficients)
    for _ in range(MAX_ITERATIONS):
        gradient, curvature = -penalty * coefficients, np.diag(penalty)
        for begin in range(0, len(columns), CHUNK_ROWS):
            rows = slice(begin, begin + CHUNK_ROWS)
            part, p = columns[rows], expit(margin[rows])
            gradient += part.T @ (weight[rows] * (soft[rows] - p))
            curvature += (part * (weight[rows] * p * (1.0 - p))[:, None]).T @ part
        step = np.linalg.solve(curvature, gradient)
        moved = columns @ step
        while (after := _loss(margin + moved, soft, weight, penalty, coefficients + step)) > loss + TOLERANCE:
            step, moved = step / 2.0, moved / 2.0
        coefficients, margin, loss = coefficients + step, margin + moved, after
        if np.abs(step).max() < TOLERANCE:
            break
    return coefficients


def _loss(margin: Floats, soft: Floats, weight: Floats, penalty: Floats, coefficients: Floats) -> float:
    cross_entropy = np.logaddexp(0.0, margin)
    cross_entropy -= soft * margin
    cross_entropy *= weight
    return float(cross_entropy.sum() + 0.5 * (penalty * coefficients**2).sum())


def _dot(coefficients: Floats, intercept: float | Floats, fill: Floats, x: Floats) -> Floats:
    """Logits of rows by one model, or each by its own where the parameters have one row per row of `x`."""
    filled = np.where(np.isfinite(x), x, fill)
    result: Floats = intercept + (filled * coefficients).sum(axis=1)
    return result
