"""Linear student: ridge regression of values, stored and served as the logistic one is."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workers.bars.series import Floats
from workers.models.logistic import CHUNK_ROWS, Logistic
from workers.models.registry import register


@register
@dataclass(frozen=True)
class Linear(Logistic):
    """margin = intercept + sum(coefficients * x), what features add to the historical mean."""

    kind: ClassVar[str] = "linear"
    file_name: ClassVar[str] = "model.linear.json"

    @classmethod
    def solve(cls, columns: Floats, soft: Floats, weight: Floats, offset: Floats, penalty: Floats) -> Floats:
        """Coefficients on columns, the last of which is 1."""
        return ridge(columns, soft, weight, offset, penalty)


def ridge(columns: Floats, y: Floats, weight: Floats, offset: Floats, penalty: Floats) -> Floats:
    """Coefficients that minimise the weighted squared error of `y` beside `offset` plus the penalised squares.

    `columns` has shape (rows, coefficients), `penalty` one value per coefficient. Source: Hoerl and Kennard (1970),
    Ridge regression.
    """
    product, moment = np.diag(penalty), np.zeros(columns.shape[1])
    for begin in range(0, len(columns), CHUNK_ROWS):
        rows = slice(begin, begin + CHUNK_ROWS)
        weighted = columns[rows] * weight[rows, None]
        product += weighted.T @ columns[rows]
        moment += weighted.T @ (y[rows] - offset[rows])
    return np.asarray(np.linalg.solve(product, moment), dtype=np.float64)
