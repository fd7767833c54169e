"""Bars that a function of a plug-in reads."""

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.config.bars import OwnSource
from schemas.config.sources import split_own
from schemas.contract.errors import DataError, RequestError
from schemas.contract.plugin_declarations import SourceDeclaration
from workers.bars.files.local_time import Zone
from workers.bars.raw_bars import RawBars
from workers.bars.series import COLUMNS, Ints
from workers.bars.sources.source_protocol import Source, SourceRequest
from workers.plugins.blame import blamed, user_code
from workers.plugins.loading import by_name, plugins_here
from workers.plugins.time_limit import within

if TYPE_CHECKING:
    import pandas as pd

# Only tasks of windows have a limit of time.
LISTED_WITHIN_S, READ_WITHIN_S = 60.0, 600.0


def sources_here() -> dict[str, OwnSource]:
    """The sources of all plug-ins of this process by name. RequestError for one that cannot be used."""
    _declared()
    return {
        each.name: OwnSource(name=each.name, plugin=plugin.name, sha256=plugin.sha256, adjusted=each.adjusted)
        for plugin in plugins_here().values()
        for each in plugin.sources
    }


def _declared() -> dict[str, tuple[str, SourceDeclaration]]:
    declared = [(plugin.path, each) for plugin in plugins_here().values() for each in plugin.sources]
    return by_name("source", declared, lambda name: False)


class PluggedSource(Source):
    """Bars of one source of this process's plug-ins. DataError, with the user's line, where its functions fail."""

    def __init__(self, request: SourceRequest) -> None:
        name, self._argument = split_own(request.folder)
        found = _declared().get(name)
        if found is None:
            raise RequestError(f"no plug-in of this process defines a source {name}; give --plugins")
        self._path, self._own = found
        if request.interval not in self._own.intervals:
            lengths = " or ".join(self._own.intervals)
            raise RequestError(f"plugin:{name} has no {request.interval} bars; use --interval {lengths}")
        self._interval, self.timezone = request.interval, request.timezone
        self._zone = Zone(request.timezone, by_day=request.interval in ("1day", "1week"))

    def symbols(self) -> list[str]:
        """The symbols that it declares, sorted; what its function returns, if it declares one."""
        listed: Any = self._own.symbols
        if callable(listed):
            with user_code(self._path, f"in symbols of source {self._own.name}"), within(LISTED_WITHIN_S):
                listed = listed(**self._asked(listed))
        if isinstance(listed, str) or not isinstance(listed, Iterable):
            raise DataError(f"{self._path}: symbols of source {self._own.name} are {listed!r}; return a list of texts")
        names = sorted(set(map(str, listed)))
        if not names:
            raise DataError(f"{self._path}: source {self._own.name} has no symbols; return at least one")
        return names

    def read(self, symbol: str) -> RawBars:
        """All bars of one symbol, as its function returns them."""
        import pandas as pd

        what = f"source {self._own.name} of {symbol}"
        with user_code(self._path, f"in {what}"), within(READ_WITHIN_S):
            found = self._own.function(symbol, **self._asked(self._own.function))
        if not isinstance(found, pd.DataFrame) or not isinstance(found.index, pd.DatetimeIndex):
            raise DataError(
                f"{self._path}: {what} is no DataFrame with a DatetimeIndex; return one row per bar, indexed by the"
                " instant at which it begins"
            )
        if missing := [name for name in COLUMNS if name not in found.columns]:
            raise DataError(
                f"{self._path}: {what} lacks {', '.join(missing)}; its columns are {', '.join(map(str, found.columns))}"
            )
        with blamed(self._path, f"values of {what}", DataError):
            values = {name: found[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in COLUMNS}
            times = self._instants(found.index)
        return RawBars(times, values, lambda row: f"{what} row {row + 1}", adjusted=self._own.adjusted)

    def _instants(self, index: "pd.DatetimeIndex") -> Ints:
        """UTC microseconds; of daily bars, of the date that is written, as in files."""
        if index.hasnans:
            raise ValueError("a bar has no time")
        written = index.tz_localize(None).as_unit("us").asi8
        if index.tz is not None:
            return self._zone.dated(index.tz_convert("UTC").as_unit("us").asi8, written)
        instants, wrong = self._zone.local(written)
        if wrong.any():
            first = index[int(np.flatnonzero(wrong)[0])]
            raise ValueError(f"{first} does not exist, or exists twice, in {self.timezone}")
        return instants

    def _asked(self, function: Callable[..., Any]) -> dict[str, str]:
        """The arguments, by name, that a function takes of those that are offered."""
        offered = {"interval": self._interval, "argument": self._argument}
        takes = inspect.signature(function).parameters
        return {name: value for name, value in offered.items() if name in takes}
