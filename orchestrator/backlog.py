"""Work that waits for a device: one queue a symbol, and which device holds which symbol's bars."""

from collections import OrderedDict, deque

from schemas.messages import IngestTask, RunTask, WindowTask

Work = IngestTask | WindowTask | RunTask


def symbol_of(work: Work) -> str:
    """What a device caches for this work: its symbol; the run's own work shares one name."""
    if isinstance(work, IngestTask):
        return work.symbol
    return work.window.symbol if isinstance(work, WindowTask) else ""


class Backlog:
    """Picks for a device: its own symbols first, then one that no device holds, then, if it idles, anybody's."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Work]] = OrderedDict()
        self._holder: dict[str, str] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, work: Work) -> None:
        """Append to its symbol's queue."""
        self._waiting.setdefault(symbol_of(work), deque()).append(work)
        self._count += 1

    def add_first(self, work: Work) -> None:
        """Put before everything of its symbol (a student whose teacher just ended, an attempt to repeat)."""
        self._waiting.setdefault(symbol_of(work), deque()).appendleft(work)
        self._count += 1

    def take(self, device: str, idle: bool) -> Work | None:
        """The next work for `device`, or None if what waits belongs to others and the device is not idle."""
        symbol = self._choose(device, idle)
        if symbol is None:
            return None
        queue = self._waiting[symbol]
        work = queue.popleft()
        if not queue:
            del self._waiting[symbol]
        self._holder[symbol] = device
        self._count -= 1
        return work

    def forget(self, device: str) -> None:
        """A device left: what it held belongs to nobody."""
        self._holder = {symbol: holder for symbol, holder in self._holder.items() if holder != device}

    def _choose(self, device: str, idle: bool) -> str | None:
        unheld = None
        for symbol in self._waiting:
            holder = self._holder.get(symbol)
            if holder == device:
                return symbol
            if holder is None and unheld is None:
                unheld = symbol
        if unheld is not None:
            return unheld
        return max(self._waiting, key=lambda s: len(self._waiting[s])) if idle and self._waiting else None
