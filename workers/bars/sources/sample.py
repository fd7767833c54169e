"""Real daily bars that are part of Python packages: five stocks of `bokeh_sampledata`, two indices of `arch`.

Prices are adjusted by the data's adjusted close and volume inversely, so splits leave no jump.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from schemas.contract.errors import RequestError
from workers.bars.files.local_time import Zone
from workers.bars.files.timestamps import from_column
from workers.bars.raw_bars import RawBars
from workers.bars.series import COLUMNS
from workers.bars.sources.source_protocol import Source, SourceRequest

STOCKS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
INDICES = {"^GSPC": "sp500", "^IXIC": "nasdaq"}


class Sample(Source):
    """Adjusted daily bars. A bar's timestamp is midnight UTC of its exchange day."""

    timezone = "UTC"

    def __init__(self, request: SourceRequest) -> None:
        self.interval = request.interval

    def symbols(self) -> list[str]:
        """The seven symbols of the sample; RequestError for any interval but 1day."""
        if self.interval != "1day":
            raise RequestError(f"the sample has no {self.interval} bars, only 1day; use --interval 1day or csv:DIR")
        return sorted([*STOCKS, *INDICES])

    def read(self, symbol: str) -> RawBars:
        """All bars of one symbol."""
        columns = _index(INDICES[symbol]) if symbol in INDICES else _stock(symbol)
        factor = np.asarray(columns["adjusted"], dtype=np.float64) / np.asarray(columns["close"], dtype=np.float64)
        values = {name: np.asarray(columns[name], dtype=np.float64) * factor for name in COLUMNS}
        values["volume"] = np.asarray(columns["volume"], dtype=np.float64) / factor
        times, _ = from_column(columns["date"], Zone(self.timezone))
        return RawBars(times, values, lambda row: f"sample {symbol} row {row + 1}", adjusted=True)


def _stock(symbol: str) -> dict[str, Any]:
    try:
        from bokeh_sampledata import stocks
    except ImportError:
        raise RequestError("the sample needs the package bokeh_sampledata; install the extra [sample]") from None
    data = getattr(stocks, symbol)
    return {name: data[name] for name in COLUMNS} | {
        "date": pa.array(data["date"], pa.string()),
        "adjusted": data["adj_close"],
    }


def _index(name: str) -> dict[str, Any]:
    # Located without an import, because importing `arch` takes seconds.
    spec = importlib.util.find_spec("arch")
    if spec is None or spec.origin is None:
        raise RequestError("the sample needs the package arch; install the project with its dependencies")
    table = arrow_csv.read_csv(Path(spec.origin).parent / "data" / name / f"{name}.csv.gz")
    dates = table["Date"].combine_chunks()
    if pa.types.is_string(dates.type):
        parsed = pa.compute.strptime(dates, format="%m/%d/%Y", unit="s")
        dates = parsed.cast(pa.date32())
    return {column: table[column.title()] for column in COLUMNS} | {"date": dates, "adjusted": table["Adj Close"]}
