"""Checks of decision trees that were read from a file of unknown origin."""

import numpy as np
from numpy.typing import NDArray

MOST_FEATURES = 10_000
LEAF = -1


def refuse_other_tree(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    split: NDArray[np.int64],
    values: NDArray[np.float64],
    features: int,
) -> None:
    """ValueError unless arrays of nodes are one tree: a row could leave another one, or never come to a leaf.

    `left` and `right` have the numbers of a node's children, LEAF for none; `split` the feature that it asks for;
    `values` its threshold or its leaf.
    """
    if not 0 < features <= MOST_FEATURES:
        raise ValueError(f"trees of {features} features")
    inner = left != LEAF
    children = np.concatenate([left[inner], right[inner]])
    if len(set(children.tolist())) != len(children):
        raise ValueError("a node with two parents")
    if np.any((children <= 0) | (children >= len(left))) or np.any((split < 0) | (split >= features)):
        raise ValueError("a node or a feature that does not exist")
    if not np.all(np.isfinite(values.astype(np.float64))):
        raise ValueError("a leaf or a threshold that is not finite")
