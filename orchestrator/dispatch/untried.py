"""First attempts, taken one after another for devices with free slots, without a search over all symbols."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

from orchestrator.dispatch.backlog import rank
from orchestrator.dispatch.work import Item

# Rank of an item, its symbol, and its place among the symbol's items.
_Entry = tuple[tuple[bool, int, int], str, int]


class Untried:
    """First attempts that wait, as if some were taken: one heap of symbols per holder, ranked by their first items.

    A heap's entry counts only while it is the symbol's present one: a symbol that gives an item, or gets a holder, has
    a new one. `_all` has every symbol, held or not.
    """

    def __init__(self, waiting: Mapping[str, Sequence[Item]], holders: Mapping[str, str]) -> None:
        self._waiting, self._holders = waiting, dict(holders)
        self._next = dict.fromkeys(waiting, 0)
        entries = {symbol: (rank(items[0]), symbol, 0) for symbol, items in waiting.items()}
        self._all = list(entries.values())
        self._held: defaultdict[str | None, list[_Entry]] = defaultdict(list)
        for symbol, entry in entries.items():
            self._held[self._holders.get(symbol)].append(entry)
        for heap in (self._all, *self._held.values()):
            heapify(heap)

    def take(self, name: str, *, idle: bool) -> Item | None:
        """The first item of the device's own symbols, else of those that no device holds, else, if it idles, of any."""
        symbol = self._first(self._held[name], name)
        if symbol is None:
            symbol = self._first(self._held[None], None)
        if symbol is None and idle:
            symbol = self._first(self._all)
        if symbol is None:
            return None
        place = self._next[symbol]
        items, holder = self._waiting[symbol], self._holders.setdefault(symbol, name)
        self._next[symbol] = place + 1
        if place + 1 < len(items):
            entry = (rank(items[place + 1]), symbol, place + 1)
            heappush(self._all, entry)
            heappush(self._held[holder], entry)
        return items[place]

    def _first(self, heap: list[_Entry], *holder: str | None) -> str | None:
        """The first symbol of a heap, of those with this holder if one is given; None if there is none."""
        while heap:
            _, symbol, place = heap[0]
            if place == self._next[symbol] and all(self._holders.get(symbol) == each for each in holder):
                return symbol
            heappop(heap)
        return None
