"""One symbol's bars in memory."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Series:
    """Bars sorted by time, one value per bar in each array.

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

    def upto(self, bars: int) -> "Series":
        """The first `bars` bars."""
        return Series(self.timestamp[:bars], self.session[:bars], *(getattr(self, name)[:bars] for name in COLUMNS))

    def digest(self, bars: int) -> str:
        """SHA-256, as hex, of the first `bars` bars: timestamp, session, then each column, as little-endian arrays."""
        digest = hashlib.sha256()
        for values in (self.timestamp, self.session):
            digest.update(values[:bars].astype("<i8").tobytes())
        for name in COLUMNS:
            digest.update(getattr(self, name)[:bars].astype("<f8").tobytes())
        return digest.hexdigest()
