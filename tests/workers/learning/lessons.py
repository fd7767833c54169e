"""What a stored teacher tells a student, without the store."""

import numpy as np

from workers.learning.window import School, TaughtWindow


def school_of(taught: TaughtWindow, symbol: str) -> School:
    """What `taught` tells the student of `symbol`."""
    mine = np.flatnonzero(taught.sample.member == taught.symbols.index(symbol))
    return School(taught.row[mine], taught.block[mine].astype(np.int64), taught.fitted_by[mine], taught.opinion[mine])
