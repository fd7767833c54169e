"""The long-short rule: at each instant long what ranks high among the symbols, short what ranks low, by its rank."""

import numpy as np

from workers.bars.series import Floats
from workers.features.cross_section import centred_ranks
from workers.judging.predictions import Predictions


def long_short(predictions: Predictions, score: Floats) -> Floats:
    """Weight of each row, shape (rows,), from its score; a score of NaN is not ranked and holds nothing.

    A weight is proportional to the centred rank of the score among those of its instant, equal scores sharing theirs.
    The weights of an instant add up to 0 and their absolute values to the number of symbols, so half of the capital is
    long and half is short. Nothing is held where fewer than MIN_RANKED_SYMBOLS scores are known, or all are equal.
    Source: Asness, Moskowitz and Pedersen (2013), Value and momentum everywhere.
    """
    line, column, shape = predictions.cells
    matrix = np.full(shape, np.nan)
    matrix[line, column] = score
    rank: Floats = centred_ranks(matrix)
    size = np.abs(rank).sum(axis=1, keepdims=True)
    weight = np.divide(shape[1] * rank, size, out=np.zeros_like(rank), where=size > 0)
    result: Floats = weight[line, column]
    return result
