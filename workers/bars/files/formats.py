"""The formats of text files that have names. To add one: one entry here, and a row in its test.

Names of columns are compared as `plain_name` writes them. The first entry that fits a file is its format.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

# A number, a date or a time of day: what a header does not have.
_DATA = re.compile(r"[-+]?[\d.,:/\seE-]*\d[\d.,:/\seE-]*")

_BASE_VOLUME = re.compile(r"volume[ _]\(?(?!usd|quote|currency|\w?ma\b)[a-z0-9]{2,8}\)?")


@dataclass(frozen=True)
class FileFormat:
    """How one program or exchange writes bars.

    `columns`: the name of each column that is not called as here; they and `needs` must be in the header. Without a
    header: `cells`, the names of the cells, and `begins`, how the first cells look.
    `file_name`: the group `symbol` of this expression is the symbol in a file's name; if `is_named`, it must fit.
    `where`: rows that are read if the user gives no --where. `rough`: numbers such as `1,234.5`, `$3.1` and `1.2M`.
    `zone`: the time zone of its times, if it is not the user's. `sparse`: a row without any price is no bar.
    `date_format`: the form of its dates, where they do not show it. `no_volume`: the column of volume may be missing.
    """

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    needs: Sequence[str] = ()
    cells: Sequence[str] = ()
    begins: str = ""
    file_name: str = ""
    is_named: bool = False
    where: Mapping[str, str] = field(default_factory=dict)
    rough: bool = False
    zone: str = ""
    sparse: bool = False
    date_format: str = ""
    no_volume: bool = False

    def fits(self, names: Sequence[str], file_name: str) -> bool:
        """Whether a header of these plain names, in a file of this name, is of this format."""
        wanted = {*self.columns.values(), *self.needs}
        return not self.cells and wanted <= set(names) and self._fits_name(file_name)

    def fits_data(self, cells: Sequence[str], file_name: str) -> bool:
        """Whether a file without a header, with this first line and name, is of this format."""
        begins = len(cells) == len(self.cells) and bool(re.match(self.begins, "\t".join(cells)))
        return begins and self._fits_name(file_name)

    def _fits_name(self, file_name: str) -> bool:
        return not self.is_named or bool(re.fullmatch(self.file_name, file_name))

    def symbol(self, file_name: str) -> str:
        """The symbol in a file's name: the name itself if the format knows no other."""
        found = re.fullmatch(self.file_name, file_name) if self.file_name else None
        return found["symbol"] if found else file_name


PLAIN = FileFormat("plain")
YFINANCE = FileFormat("yfinance", sparse=True)

_PRICES = ("open", "high", "low", "close")
_KLINES = ("timestamp", *_PRICES, "volume", "close_time", "quote_volume", "count", "buy_base", "buy_quote", "ignore")

_UDIFF = {
    "timestamp": "traddt",
    "symbol": "tckrsymb",
    "open": "opnpric",
    "high": "hghpric",
    "low": "lwpric",
    "close": "clspric",
    "volume": "ttltradgvol",
}
# How Investing.com calls its files in German, Spanish, French, Italian and Portuguese.
_HISTORY = "(Historische Daten|Datos históricos|Données Historiques|Dati Storici|Dados Históricos)"
_DAYS = r"\d\d-\d\d-\d{4}-(to|TO)-\d\d-\d\d-\d{4}.*"

FORMATS = (
    FileFormat(
        "NSE bhavcopy",
        {"volume": "tottrdqty", "timestamp": "timestamp", "symbol": "symbol"},
        ("series", *_PRICES),
        where={"series": "EQ"},
    ),
    FileFormat(
        "BSE bhavcopy (UDiFF)", _UDIFF, file_name="BhavCopy_BSE_.*", is_named=True, where={"fininstrmtp": "STK"}
    ),
    FileFormat("NSE bhavcopy (UDiFF)", _UDIFF, where={"sctysrs": "EQ"}),
    FileFormat(
        "NSE bhavcopy with deliveries",
        {
            "timestamp": "date1",
            "symbol": "symbol",
            "open": "open_price",
            "high": "high_price",
            "low": "low_price",
            "close": "close_price",
            "volume": "ttl_trd_qnty",
        },
        where={"series": "EQ"},
    ),
    FileFormat(
        "NSE security-wise prices",
        {
            "timestamp": "date",
            "symbol": "symbol",
            "open": "open price",
            "high": "high price",
            "low": "low price",
            "close": "close price",
            "volume": "total traded quantity",
        },
        where={"series": "EQ"},
        rough=True,
    ),
    FileFormat(
        "NSE historical prices",
        needs=("date", "series", *_PRICES, "volume", "ltp", "vwap"),
        file_name=rf"Quote-Equity-(?P<symbol>.+)-\w+-{_DAYS}",
        rough=True,
    ),
    FileFormat(
        "NSE index prices",
        {"volume": "shares traded"},
        ("date", *_PRICES),
        file_name=rf"(?P<symbol>.+?)-{_DAYS}",
        rough=True,
    ),
    FileFormat(
        "NSE index closes",
        {
            "timestamp": "index date",
            "symbol": "index name",
            "open": "open index value",
            "high": "high index value",
            "low": "low index value",
            "close": "closing index value",
        },
        ("volume",),
        rough=True,
        date_format="%d-%m-%Y",
    ),
    FileFormat(
        "BSE bhavcopy",
        {"timestamp": "trading_date", "symbol": "sc_code", "volume": "no_of_shrs"},
        _PRICES,
    ),
    FileFormat("Stooq", {"timestamp": "date", "time": "time", "symbol": "ticker", "volume": "vol"}, ("per", *_PRICES)),
    FileFormat(
        "Stooq in Polish",
        {
            "timestamp": "data",
            "open": "otwarcie",
            "high": "najwyzszy",
            "low": "najnizszy",
            "close": "zamkniecie",
            "volume": "wolumen",
        },
    ),
    FileFormat("MetaStock", {"timestamp": "dtyyyymmdd", "time": "time", "symbol": "ticker", "volume": "vol"}, _PRICES),
    FileFormat("MetaTrader 5 for Python", {"timestamp": "time", "volume": "tick_volume"}, (*_PRICES, "real_volume")),
    FileFormat(
        "MetaTrader 5",
        {"volume": "tickvol"},
        ("date", *_PRICES, "spread"),
        file_name=r"(?P<symbol>.+?)_(M\d+|H\d+|Daily|Weekly|Monthly)(_.*)?",
    ),
    FileFormat(
        "MetaTrader 4",
        cells=("date", "time", *_PRICES, "volume"),
        begins=r"\d{4}\.\d\d\.\d\d\t\d\d:\d\d\t",
        file_name=r"(?P<symbol>.+?)_?(M?1|M?5|M?15|M?30|H1|60|H4|240|D1|1440|W1|10080)",
    ),
    FileFormat(
        "HistData",
        cells=("timestamp", *_PRICES, "volume"),
        begins=r"\d{8}( \d{6})?\t",
        file_name=r"(DAT_ASCII_)?(?P<symbol>[A-Z]+)(_M1_\d+)?",
    ),
    FileFormat(
        "Kraken",
        cells=("timestamp", *_PRICES, "volume", "count"),
        begins=r"\d{10}\t",
        file_name=r"(?P<symbol>.+?)_\d+",
    ),
    FileFormat(
        "FirstRate Data",
        cells=("timestamp", *_PRICES, "volume"),
        begins=r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?\t",
        file_name=r"(?P<symbol>.+?)_(full_)?\d+(min|hour|day)(_.*)?",
        is_named=True,
    ),
    FileFormat("Kibot", cells=("date", "time", *_PRICES, "volume"), begins=r"\d\d/\d\d/\d{4}\t\d\d:\d\d\t"),
    FileFormat("Kibot by day", cells=("date", *_PRICES, "volume"), begins=r"\d\d/\d\d/\d{4}\t"),
    FileFormat("GetBhavCopy", cells=("symbol", "date", *_PRICES, "volume"), begins=r"[^\t]+\t(19|20)\d{6}\t"),
    FileFormat(
        "GetBhavCopy", cells=("symbol", "date", *_PRICES, "volume", "interest"), begins=r"[^\t]+\t(19|20)\d{6}\t"
    ),
    FileFormat(
        "Binance",
        cells=_KLINES,
        begins=r"\d{13,16}\t",
        file_name=r"(?P<symbol>[A-Z0-9]+)-\d+\w+-\d{4}(-\d\d){0,2}",
    ),
    FileFormat(
        "Binance",
        {"timestamp": "open_time"},
        (*_PRICES, "volume", "close_time"),
        file_name=r"(?P<symbol>[A-Z0-9]+)-\d+\w+-\d{4}(-\d\d){0,2}",
    ),
    FileFormat(
        "TradingView",
        {"timestamp": "time"},
        _PRICES,
        file_name=r"[A-Za-z0-9]+_(DLY_)?(?P<symbol>[^,]+), ?\w+( ?\(\d+\)|_\w+)?",
        is_named=True,
        no_volume=True,
    ),
    FileFormat(
        "Investing.com",
        {"timestamp": "date", "close": "price", "volume": "vol."},
        ("open", "high", "low"),
        file_name=r"(?P<symbol>.+?)[ _](Historical[ _]Data|Stock[ _]Price[ _]History|ETF[ _].*)( ?\(\d+\))?",
        rough=True,
    ),
    FileFormat(
        "Investing.com",
        file_name=rf"({_HISTORY} )?(d[eoa] )?(?P<symbol>.+?)( - )?( ?{_HISTORY})?( ?\(\d+\))?",
        needs=("vol.",),
    ),
    FileFormat(
        "Barchart",
        {"timestamp": "time", "close": "last"},
        ("open", "high", "low", "volume", "%chg"),
        file_name=r"(?P<symbol>.+?)_.*historical-data.*",
        is_named=True,
    ),
    FileFormat(
        "Nasdaq.com",
        {"timestamp": "date", "close": "close/last", "volume": "volume"},
        ("open", "high", "low"),
        file_name=r"(HistoricalData_|HistoricalQuotes_?)?(?P<symbol>.*)",
        rough=True,
    ),
    FileFormat(
        "Dukascopy",
        {"timestamp": "gmt time"},
        (*_PRICES, "volume"),
        file_name=r"(?P<symbol>.+?)_(Candlestick|Ticks)_.*",
        zone="UTC",
    ),
    FileFormat(
        "Dukascopy",
        {"timestamp": "local time"},
        (*_PRICES, "volume"),
        file_name=r"(?P<symbol>.+?)_(Candlestick|Ticks)_.*",
    ),
    FileFormat(
        "Dukascopy",
        {"timestamp": "timestamp"},
        (*_PRICES, "volume"),
        file_name=r"(?P<symbol>[a-z0-9]+)-(m\d+|h\d+|d1|mn1)-(bid|ask)(-.*)?",
        is_named=True,
        zone="UTC",
    ),
    FileFormat(
        "Alpha Vantage",
        {"timestamp": "timestamp"},
        (*_PRICES, "volume"),
        file_name=r"(daily|weekly|daily_adjusted|weekly_adjusted|intraday_\d+min)_(?P<symbol>.+)",
        is_named=True,
    ),
    FileFormat("Tushare", {"timestamp": "trade_date", "symbol": "ts_code", "volume": "vol"}, _PRICES),
    FileFormat(
        "AkShare",
        {"timestamp": "日期", "open": "开盘", "high": "最高", "low": "最低", "close": "收盘", "volume": "成交量"},
    ),
    FileFormat("Polygon flat file", {"timestamp": "window_start", "symbol": "ticker"}, (*_PRICES, "volume")),
    FileFormat(
        "BSE historical prices",
        {
            "timestamp": "date",
            "open": "open price",
            "high": "high price",
            "low": "low price",
            "close": "close price",
            "volume": "no.of shares",
        },
        rough=True,
    ),
    FileFormat("Sierra Chart", {"timestamp": "date", "time": "time", "close": "last"}, (*_PRICES[:3], "volume")),
    FileFormat("Databento", {"timestamp": "ts_event"}, (*_PRICES, "volume", "symbol")),
    FileFormat(
        "one-letter names", {"timestamp": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
    ),
    FileFormat("volume as vol", {"volume": "vol"}, _PRICES),
    FileFormat("Yahoo Finance", needs=("date", *_PRICES, "adj close", "volume"), rough=True, sparse=True),
    FileFormat("yfinance", needs=(*_PRICES, "volume", "dividends", "stock splits"), sparse=True),
    FileFormat("yfinance", needs=("datetime", *_PRICES, "adj close", "volume"), sparse=True),
)


def format_of(names: Sequence[str], file_name: str) -> FileFormat:
    """The format of a file with this header; PLAIN for one that none fits."""
    found = next((each for each in FORMATS if each.fits(names, file_name)), PLAIN)
    if found is not PLAIN or "volume" in names:
        return found
    # Crypto exchanges give a volume in each of the two currencies, the traded one first.
    base = next((name for name in names if _BASE_VOLUME.fullmatch(name)), None)
    return replace(PLAIN, columns={"volume": base}, sparse=True) if base else PLAIN


def format_of_data(cells: Sequence[str], file_name: str) -> FileFormat | None:
    """The format of a file whose first line is data; None if none fits."""
    return next((each for each in FORMATS if each.cells and each.fits_data(cells, file_name)), None)


def is_data(cells: Sequence[str]) -> bool:
    """Whether a first line is data and no header."""
    full = [cell for cell in cells if cell.strip()]
    return len(full) > 4 and all(_DATA.fullmatch(cell.strip()) for cell in full)


def plain_name(name: str) -> str:
    """A column's name in small letters, without a number before it, brackets around it and asterisks after it."""
    return re.sub(r"^\d+\. ", "", " ".join(name.replace("\xa0", " ").split())).rstrip("*").strip("<>[]").strip().lower()
