"""Work that waits for a device, in the order in which it is sent."""

from bisect import insort
from dataclasses import replace
from itertools import count

from orchestrator.dispatch.work import Item
from schemas.contract.task import Role


def rank(item: Item) -> tuple[bool, int, int]:
    """Sort key of an item: students first, then larger sizes, then earlier additions.

    Students go first so that their phase does not wait until all teachers are done.
    """
    return item.work.role is not Role.STUDENT, -item.size, item.order


class Backlog:
    """Items by symbol, and which device holds (has cached) a symbol. The policy reads it; the loop changes it.

    `waiting` has first attempts by symbol, in order of `rank`; `again` has work that was tried before: it goes first.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, list[Item]] = {}
        self.again: list[Item] = []
        self.holders: dict[str, str] = {}
        self._order = count()

    def __bool__(self) -> bool:
        return bool(self.waiting or self.again)

    def __len__(self) -> int:
        return sum(map(len, self.waiting.values())) + len(self.again)

    def add(self, item: Item) -> None:
        """Add work that was not tried yet."""
        insort(self.waiting.setdefault(item.symbol, []), replace(item, order=next(self._order)), key=rank)

    def add_again(self, item: Item) -> None:
        """Add work that was tried before."""
        self.again.append(item)

    def remove(self, item: Item, device: str) -> None:
        """Remove what is sent to `device`, which from now on holds the symbol of a first attempt."""
        if any(item is each for each in self.again):
            self.again = [each for each in self.again if each is not item]
            return
        items = self.waiting[item.symbol]
        items.remove(item)
        if not items:
            del self.waiting[item.symbol]
        self.holders.setdefault(item.symbol, device)

    def forget(self, device: str) -> None:
        """Release the symbols of a device that left."""
        self.holders = {symbol: holder for symbol, holder in self.holders.items() if holder != device}
