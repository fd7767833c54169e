"""Bars as the pandas frames that functions of plug-ins get, and the values that these return."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from schemas.contract.errors import DataError, RequestError
from workers.bars.series import COLUMNS, Bools, Floats, Series
from workers.plugins.blame import blamed, user_code
from workers.side.joined import SideData

if TYPE_CHECKING:
    import pandas as pd


class UserFunction(Protocol):
    """A feature or a label of the plug-in file `path`: `noun` is which of both."""

    noun: ClassVar[str]

    @property
    def name(self) -> str:
        """The name by which a run chooses it."""

    @property
    def path(self) -> str:
        """The file that defines it."""

    @property
    def side(self) -> tuple[str, ...]:
        """The names of the side data that it reads."""

    @property
    def function(self) -> Callable[..., Any]:
        """The user's code."""


@dataclass(frozen=True)
class PanelBars:
    """Bars of all symbols: in `bars` each column is a frame with a row per instant and a column per symbol.

    `series` has each symbol's own bars, `instants` when these begin.
    """

    bars: "pd.DataFrame"
    series: Mapping[str, Series]
    instants: "Mapping[str, pd.DatetimeIndex]"

    def side(self, side: SideData, names: Iterable[str]) -> "dict[str, pd.DataFrame]":
        """Side data of these names beside the bars."""
        own = {symbol: (each, self.instants[symbol]) for symbol, each in self.series.items()}
        return side.panel_frames(names, own, self.bars.index)


def frame_of_bars(series: Series, timezone: str) -> "pd.DataFrame":
    """A symbol's bars as users see them: COLUMNS, indexed by the bar's instant in `timezone`."""
    import pandas as pd

    index = pd.DatetimeIndex(series.timestamp.view("datetime64[us]"), tz="UTC", name="time").tz_convert(timezone)
    return pd.DataFrame({name: getattr(series, name) for name in COLUMNS}, index=index)


def panel_of_bars(series: Mapping[str, Series], timezone: str, seen: Callable[[Series], Bools]) -> PanelBars:
    """The bars of symbols; NaN where a symbol has none, and on those of its bars that are not `seen`."""
    import pandas as pd

    frames = {symbol: frame_of_bars(each, timezone) for symbol, each in series.items()}
    for symbol, bars in frames.items():
        if not (shown := seen(series[symbol])).all():
            frames[symbol] = bars.where(np.broadcast_to(shown[:, None], bars.shape))
    wide = pd.concat(frames, axis=1, sort=True)
    instants = {symbol: bars.index for symbol, bars in frames.items()}
    return PanelBars(wide.swaplevel(axis=1)[list(COLUMNS)], series, instants)


def refuse_missing_side(functions: Iterable[UserFunction], given: Container[str]) -> None:
    """RequestError names the first feature or label that reads side data that are not given."""
    for each in functions:
        for name in each.side:
            if name not in given:
                raise RequestError(
                    f"{each.path}: {each.noun} {each.name} reads side data {name}; give --side {name}=FILE"
                )


def called(own: UserFunction, bars: "pd.DataFrame", side: "Mapping[str, pd.DataFrame]", whose: str) -> Any:
    """Call a function on frames of its own, which it may change. DataError names the line that failed.

    `whose` names the symbol, or the panel.
    """
    with user_code(own.path, f"in {own.noun} {own.name} of {whose}"):
        if own.side:
            return own.function(bars.copy(), side={name: side[name].copy() for name in own.side})
        return own.function(bars.copy())


def one_value_per_bar(found: Any, bars: "pd.DataFrame", path: str, what: str) -> Floats:
    """What a function of the plug-in `path` returned for bars, shape (bars,), NaN where a value is missing."""
    import pandas as pd

    with blamed(path, f"values of {what}", DataError):
        if isinstance(found, pd.Series):
            if not found.index.equals(bars.index):
                raise DataError(f"{path}: {what} is a Series with another index than the bars; use bars.index")
            found = found.to_numpy(dtype=np.float64, na_value=np.nan)
        values = np.asarray(found, dtype=np.float64)
    if values.shape != (len(bars),):
        raise DataError(f"{path}: {what} has shape {values.shape}; return one value per bar, shape ({len(bars)},)")
    return values


def values_of_panel(found: Any, panel: PanelBars, own: UserFunction) -> dict[str, Floats]:
    """What a function returned for the bars of a panel: of each symbol one value per bar of its own."""
    import pandas as pd

    close = panel.bars["close"]
    if not isinstance(found, pd.DataFrame) or not found.index.equals(close.index) or set(found) != set(close):
        raise DataError(
            f"{own.path}: {own.noun} {own.name} of the panel is not a DataFrame with the index and the columns of"
            " bars['close']: one row per bar, one column per symbol"
        )
    with blamed(own.path, f"values of {own.noun} {own.name}", DataError):
        matrix = found[list(close)].to_numpy(dtype=np.float64, na_value=np.nan)
    instants = close.index.tz_convert("UTC").as_unit("us").asi8
    return {
        symbol: matrix[np.searchsorted(instants, each.timestamp), column]
        for column, (symbol, each) in enumerate(panel.series.items())
    }
