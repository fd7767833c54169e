"""One symbol's bars in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Series:
    """Bars sorted by time, one value a bar in each array.

    `timestamp` is microseconds since 1970 in UTC; `session` is the exchange-local day as days since 1970.
    """

    timestamp: Ints
    session: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.timestamp)
