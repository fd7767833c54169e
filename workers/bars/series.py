"""One symbol's bars in memory."""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

COLUMNS = ("open", "high", "low", "close", "volume")
# Stands for a mask of ones, as long as the bars are.
ALWAYS = np.empty(0, dtype=np.bool_)


@dataclass(frozen=True)
class Series:
    """Bars sorted by time, one value per bar in each array.

    `timestamp` is microseconds since 1970 in UTC; `session` is the exchange-local day as days since 1970. `member`:
    whether the symbol belongs to the universe on the bar's session; on all of them if omitted.
    """

    timestamp: Ints
    session: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    member: Bools = field(default_factory=lambda: ALWAYS)

    def __post_init__(self) -> None:
        if self.member is ALWAYS:
            object.__setattr__(self, "member", np.ones(self.session.shape, dtype=np.bool_))

    def __len__(self) -> int:
        return len(self.timestamp)

    def upto(self, bars: int) -> "Series":
        """The first `bars` bars."""
        return Series(*(values[:bars] for values in vars(self).values()))

    def digest(self, bars: int) -> str:
        """SHA-256, as hex, of the first `bars` bars: timestamp, session, then each column, as little-endian arrays."""
        digest = hashlib.sha256()
        for values in (self.timestamp, self.session):
            digest.update(values[:bars].astype("<i8").tobytes())
        for name in COLUMNS:
            digest.update(getattr(self, name)[:bars].astype("<f8").tobytes())
        return digest.hexdigest()
