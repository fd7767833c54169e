"""Side data beside bars: what a user's function sees of them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from schemas.config.bars import NO_CALENDAR
from schemas.config.interval import Interval
from workers.bars.series import Ints, Series
from workers.side.decision import decisions
from workers.side.table import SideTable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SideData:
    """Tables of side data by name, and what decides the instants of bars' decisions."""

    tables: Mapping[str, SideTable] = field(default_factory=dict)
    calendar: str = NO_CALENDAR
    interval: Interval = "1day"

    def decisions(self, series: Series) -> Ints:
        """The instant of each bar's decision."""
        return decisions(series, self.interval, self.calendar)

    def frames(
        self, names: Iterable[str], symbol: str, series: Series, index: "pd.DatetimeIndex"
    ) -> dict[str, "pd.DataFrame"]:
        """For each name a frame with the index of a symbol's bars: the values known at each bar's decision."""
        import pandas as pd

        tables = {name: self.tables[name] for name in names}
        instants = self.decisions(series) if tables else series.timestamp
        return {
            name: pd.DataFrame(table.as_of(symbol, instants), index=index, columns=list(table.columns))
            for name, table in tables.items()
        }

    def panel_frames(
        self, names: Iterable[str], panel: Mapping[str, tuple[Series, "pd.DatetimeIndex"]], index: "pd.DatetimeIndex"
    ) -> dict[str, "pd.DataFrame"]:
        """The same for the bars of a panel, on the instants of all symbols.

        Columns are those of the file, and below each of them one per symbol where the file has symbols.
        """
        import pandas as pd

        found = {}
        for name in names:
            each = {symbol: self.frames([name], symbol, *mine)[name] for symbol, mine in panel.items()}
            if self.tables[name].by_symbol:
                found[name] = (
                    pd.concat(each, axis=1, sort=True).swaplevel(axis=1).reindex(index)[list(self.tables[name].columns)]
                )
            else:
                whole = pd.concat(each.values())
                found[name] = whole[~whole.index.duplicated()].reindex(index)
        return found

    def only(self, names: Iterable[str], symbols: Collection[str]) -> "SideData":
        """The tables of these names, with the rows of these symbols."""
        tables = {}
        for name in names:
            rows = self.tables[name].rows
            tables[name] = replace(
                self.tables[name], rows={each: rows[each] for each in rows if each in symbols or not each}
            )
        return replace(self, tables=tables)

    def known_at(self, instant: int) -> "SideData":
        """Without the rows that are known later than an instant."""
        tables = {
            name: replace(table, rows={owner: rows.upto(instant) for owner, rows in table.rows.items()})
            for name, table in self.tables.items()
        }
        return replace(self, tables=tables)

    def poisoned(self, instant: int, rng: np.random.Generator) -> "SideData":
        """With other values in the rows that are known later than an instant."""
        tables = {
            name: replace(table, rows={owner: rows.poisoned(instant, rng) for owner, rows in table.rows.items()})
            for name, table in self.tables.items()
        }
        return replace(self, tables=tables)


NO_SIDE = SideData()
