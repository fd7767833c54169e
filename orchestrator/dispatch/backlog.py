"""Work that waits for a device: the longest first, near the bars that it needs, away from where it failed."""

import heapq
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count

from schemas.contract.task import IngestTask, Role, RunTask, WindowTask, work_name

Work = IngestTask | WindowTask | RunTask
Key = tuple[Role, str]


@dataclass
class Item:
    """A piece of work on its way to an outcome.

    `size` is what its duration is expected to be in proportion to (labelled rows). `strikes` counts attempts that
    failed after they had begun, `spoiled` the devices where they did; `lost` says that one disappeared. `alone` work
    wants a device for itself. `due` is the clock's time before which it is not tried again.
    """

    work: Work
    size: int = 0
    strikes: int = 0
    spoiled: set[str] = field(default_factory=set)
    lost: bool = False
    alone: bool = False
    due: float = 0.0

    @property
    def key(self) -> Key:
        """Role and name, which identify a piece of work within its run."""
        return self.work.role, work_name(self.work)

    @property
    def symbol(self) -> str:
        """What a device caches for this work; the run's own work shares one name."""
        if isinstance(self.work, IngestTask):
            return self.work.symbol
        return self.work.window.symbol if isinstance(self.work, WindowTask) else ""


class Backlog:
    """Picks for a device: its own symbols first, then one that no device holds, then, if it idles, anybody's."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[str, list[tuple[bool, int, int, Item]]] = {}
        self._again: list[Item] = []
        self._holder: dict[str, str] = {}
        self._order = count()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: Item) -> None:
        """Append work. A student comes before every teacher of its symbol: no phase waits for another."""
        late = item.work.role is not Role.STUDENT
        entry = (late, -item.size, next(self._order), item)
        heapq.heappush(self._waiting.setdefault(item.symbol, []), entry)
        self._count += 1

    def add_again(self, item: Item) -> None:
        """Append work that was tried before: it goes first, once it is due, to a device that has not failed it."""
        self._again.append(item)
        self._count += 1

    def take(self, device: str, present: Collection[str], *, idle: bool, empty: bool) -> Item | None:
        """The next work for `device`, one of `present`, or None if what waits is not for it now."""
        due = [item for item in self._again if item.due <= self._clock()]
        if not empty and any(item.alone and device == _place(item, present) for item in due):
            return None
        item = next((item for item in due if may_go(item, device, present)), None)
        if item is not None:
            self._again.remove(item)
        else:
            item = self._take_first(device, idle)
        self._count -= item is not None
        return item

    def forget(self, device: str) -> None:
        """A device left: what it held belongs to nobody."""
        self._holder = {symbol: holder for symbol, holder in self._holder.items() if holder != device}

    def places(self, present: Collection[str]) -> set[str]:
        """Devices that work which must be alone waits for."""
        due = [item for item in self._again if item.alone and item.due <= self._clock()]
        return {_place(item, present) for item in due} if present else set()

    def _take_first(self, device: str, idle: bool) -> Item | None:
        def rank(symbol: str) -> tuple[int, bool, int, int]:
            holder = self._holder.get(symbol)
            return (0 if holder == device else 1 if holder is None else 2, *self._waiting[symbol][0][:3])

        symbol = min(self._waiting, key=rank, default=None)
        if symbol is None or (rank(symbol)[0] == 2 and not idle):
            return None
        item = heapq.heappop(self._waiting[symbol])[3]
        if not self._waiting[symbol]:
            del self._waiting[symbol]
        self._holder.setdefault(symbol, device)
        return item


def may_go(item: Item, device: str, present: Collection[str]) -> bool:
    """Whether `device`, one of `present`, is a place for work that was tried before."""
    if item.alone:
        return device == _place(item, present)
    return device not in item.spoiled or all(name in item.spoiled for name in present)


def _place(item: Item, present: Collection[str]) -> str:
    """The one device that is kept free for work that must be alone."""
    return min(present, key=lambda name: (name in item.spoiled, name))
