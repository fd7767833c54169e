"""Logistic student: scaler and calibration are folded into one coefficient vector, served as a dot product."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from schemas.contract.artifact import StudentModel
from schemas.files.atomic import to_json
from schemas.files.layout import MODEL_JSON
from workers.bars.series import Floats
from workers.models.base import Model, StoredModel
from workers.models.registry import register

# Ridge penalty of each standardised coefficient, in independent rows. Twice as much finds a quarter less in reverting
# prices and costs 0.04 % less on random walks and real symbols; docs/method.md has the figures.
RIDGE = 100.0
# Keeps the intercept finite where all labels are of one class.
INTERCEPT_RIDGE = 1e-6
MAX_ITERATIONS = 50
TOLERANCE = 1e-10


@register
@dataclass(frozen=True)
class Logistic(Model):
    """margin = intercept + sum(coefficients * x), with each NaN of x replaced by `fill`. Predicts with numpy alone."""

    kind: ClassVar[str] = "logistic"
    file_name: ClassVar[str] = MODEL_JSON

    coefficients: Floats
    intercept: float
    fill: Floats

    @classmethod
    def fit(cls, x: Floats, soft: Floats, weight: Floats, offset: Floats, seed: int) -> Self:
        """Fit by Newton's method; `weight` sums to the number of independent rows. Nothing in it is random.

        Columns are standardised on these rows, and the scaling is folded into the result; NaN becomes the column's
        mean.
        """
        observed = np.isfinite(x)
        counts = np.maximum(observed.sum(axis=0), 1)
        fill = np.where(observed, x, 0.0).sum(axis=0) / counts
        filled = np.where(observed, x, fill)
        scale = filled.std(axis=0)
        scale[scale < 1e-12] = np.inf
        columns = np.column_stack([(filled - fill) / scale, np.ones(len(x))])
        penalty = np.full(columns.shape[1], RIDGE)
        penalty[-1] = INTERCEPT_RIDGE
        fitted = newton(columns, soft, weight, offset, penalty)
        coefficients = fitted[:-1] / scale
        return cls(coefficients, float(fitted[-1] - (coefficients * fill).sum()), fill)

    def margin(self, x: Floats) -> Floats:
        """Logit per row of `x`, shape (rows, features)."""
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

    def calibrated(self, slope: float, intercept: float) -> Self:
        """Model whose margin is `slope` times this one's plus `intercept`."""
        # Adding 0 makes -0 a plain 0 where the slope is 0.
        coefficients = slope * self.coefficients + 0.0
        return replace(self, coefficients=coefficients, intercept=slope * self.intercept + intercept)

    def encode(self, features: Sequence[str], trade_above: float | None) -> bytes:
        """The model as JSON of the schema `StudentModel`."""
        stored = StudentModel(
            features=tuple(features),
            coefficients=tuple(self.coefficients.tolist()),
            intercept=self.intercept,
            fill=tuple(self.fill.tolist()),
            trade_above=trade_above,
        )
        return to_json(stored.model_dump(mode="json")).encode()

    @classmethod
    def decode(cls, content: bytes) -> StoredModel:
        """Read a stored model. ValueError if it does not meet its schema, or has not one number per feature."""
        stored = StudentModel.model_validate_json(content)
        if not len(stored.coefficients) == len(stored.fill) == len(stored.features):
            raise ValueError("it has not one coefficient and one fill value per feature")
        model = cls(np.asarray(stored.coefficients), stored.intercept, np.asarray(stored.fill))
        return StoredModel(model, stored.features, stored.trade_above)


def newton(columns: Floats, soft: Floats, weight: Floats, offset: Floats, penalty: Floats) -> Floats:
    """Coefficients that minimise the weighted cross-entropy of soft labels plus half the penalised squares.

    `columns` has shape (rows, coefficients), `penalty` one value per coefficient; the logit of a row starts from its
    `offset`. A step that would raise the loss is halved.
    """
    from scipy.special import expit  # not imported when serving

    coefficients = np.zeros(columns.shape[1])
    loss = _loss(columns, soft, weight, offset, penalty, coefficients)
    for _ in range(MAX_ITERATIONS):
        p = expit(offset + columns @ coefficients)
        gradient = columns.T @ (weight * (soft - p)) - penalty * coefficients
        curvature = (columns * (weight * p * (1.0 - p))[:, None]).T @ columns
        curvature[np.diag_indices_from(curvature)] += penalty
        step = np.linalg.solve(curvature, gradient)
        while (after := _loss(columns, soft, weight, offset, penalty, coefficients + step)) > loss + TOLERANCE:
            step = step / 2.0
        coefficients, loss = coefficients + step, after
        if np.abs(step).max() < TOLERANCE:
            break
    return coefficients


def _loss(
    columns: Floats, soft: Floats, weight: Floats, offset: Floats, penalty: Floats, coefficients: Floats
) -> float:
    margin = offset + columns @ coefficients
    cross_entropy = np.logaddexp(0.0, margin) - soft * margin
    return float((weight * cross_entropy).sum() + 0.5 * (penalty * coefficients**2).sum())


def _dot(coefficients: Floats, intercept: float | Floats, fill: Floats, x: Floats) -> Floats:
    """Logits of rows by one model, or each by its own where the parameters have one row per row of `x`."""
    filled = np.where(np.isfinite(x), x, fill)
    result: Floats = intercept + (filled * coefficients).sum(axis=1)
    return result
