"""Side data joined by a row's own time, as if the instant at which it was known did not count: a fault to be found."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from workers.side.joined import SideData


def join_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every join take a row from its time on, and not from when it was known."""
    honest = SideData.frames

    def by_time(self: SideData, names: Iterable[str], *others: Any) -> Any:
        early = {
            name: replace(table, rows={owner: replace(rows, known_at=rows.time) for owner, rows in table.rows.items()})
            for name, table in self.tables.items()
        }
        return honest(replace(self, tables=early), names, *others)

    monkeypatch.setattr(SideData, "frames", by_time)
