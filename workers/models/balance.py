"""Rows for estimators that have no offset: weighted so that the base rate makes both classes equally likely.

With the base rate b, the part q of a label that is 1 weighs w * q / (2 * b), the rest w * (1 - q) / (2 * (1 - b)). By
Bayes' rule the odds that an estimator finds are the true ones over those of the base rate, so that their logit is what
the inputs add to it. Source: Elkan (2001), The foundations of cost-sensitive learning, theorem 2.
"""

from typing import NamedTuple

import numpy as np

from workers.bars.series import Floats, Ints
from workers.models.base import sigmoid


class Balanced(NamedTuple):
    """Rows to fit on: the position of each among those given, its class, 0 or 1, and its weight."""

    rows: Ints
    y: Ints
    weight: Floats


def balanced(soft: Floats, weight: Floats, offset: Floats) -> Balanced:
    """Balance rows with soft labels in [0, 1] beside an offset; a label between 0 and 1 becomes two rows."""
    base = sigmoid(offset)
    share = weight / weight.mean() / 2.0
    ones, zeros = share * soft / base, share * (1.0 - soft) / (1.0 - base)
    first, second = np.flatnonzero(ones), np.flatnonzero(zeros)
    rows = np.concatenate([first, second])
    order = np.argsort(rows, kind="stable")  # in time, as given
    y = np.concatenate([np.ones(len(first), dtype=np.int64), np.zeros(len(second), dtype=np.int64)])
    return Balanced(rows[order], y[order], np.concatenate([ones[first], zeros[second]])[order])
