"""Files as programs and exchanges write them: each is recognised by its first lines and read to the same three bars."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from schemas.config.file_options import FileOptions
from schemas.contract.quality import Check
from workers.bars.clean import clean
from workers.bars.files.csv import CsvFolder
from workers.bars.files.folder import Folder
from workers.bars.files.formats import FORMATS
from workers.bars.raw_bars import CleanBars
from workers.bars.series import COLUMNS
from workers.bars.sources.source_protocol import SourceRequest

ZONE = "UTC"
DAYS = ("2023-01-03", "2023-01-04", "2023-01-16")
# Open, high, low, close and volume of each day.
BARS = ((10.5, 12.0, 10.0, 11.5, 1200.0), (11.5, 11.75, 11.0, 11.25, 3400.0), (11.25, 13.5, 11.0, 13.0, 5600.0))


def source(folder: Path, kind: type[Folder] = CsvFolder, **options: object) -> Folder:
    """The bars of a folder, read with these file options."""
    chosen = FileOptions.model_validate(options)
    return kind(SourceRequest(str(folder), "1day", ZONE, options=chosen))


def bars_of(opened: Folder, symbol: str) -> CleanBars:
    """One symbol's bars, cleaned."""
    return clean(opened.read(symbol), opened.timezone)


def check_bars(opened: Folder, *symbols: str) -> None:
    """AssertionError unless the source has these symbols, each with the three bars and no finding."""
    assert opened.symbols() == sorted(symbols)
    for symbol in symbols:
        bars = bars_of(opened, symbol)
        assert bars.findings == []
        assert [str(np.datetime64(day, "D")) for day in bars.series.session.tolist()] == list(DAYS)
        found = np.stack([getattr(bars.series, name) for name in COLUMNS], axis=1)
        assert found.tolist() == [list(bar) for bar in BARS]


@dataclass(frozen=True)
class Sample:
    """A file of one symbol, ABC: its name, its lines before the bars, and a bar's line as a format string."""

    name: str
    head: str
    line: str
    date: str = "%Y-%m-%d"
    end: str = "\n"
    symbol: str = "ABC"

    def text(self) -> str:
        """The whole file."""
        lines = []
        for day, (opening, high, low, close, volume) in zip(DAYS, BARS, strict=True):
            moment = np.datetime64(day, "us").item()
            cells = {
                "d": moment.strftime(self.date), "o": opening, "h": high, "l": low, "c": close, "v": int(volume),
                "k": f"{volume / 1000:g}K", "s": int(np.datetime64(day, "s").astype(int)),
            }  # fmt: skip
            lines.append(self.line.format(**cells))
        return self.end.join([*self.head.splitlines(), *lines, ""])


YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume"
SAMPLES = {
    "yfinance with three lines": Sample(
        "x.csv", "Price,Close,High,Low,Open,Volume\nTicker,ABC,ABC,ABC,ABC,ABC\nDate,,,,,", "{d},{c},{h},{l},{o},{v}"
    ),
    "yfinance before 0.2.51": Sample(
        "x.csv", ",Adj Close,Close,High,Low,Open,Volume\n,ABC,ABC,ABC,ABC,ABC,ABC\nDate,,,,,,",
        "{d},9,{c},{h},{l},{o},{v}",
    ),
    "yfinance by ticker": Sample(
        "x.csv", "Ticker,ABC,ABC,ABC,ABC,ABC\nPrice,Open,High,Low,Close,Volume\nDate,,,,,", "{d},{o},{h},{l},{c},{v}"
    ),
    "yfinance without tickers": Sample(
        "ABC.csv", "Price,Close,High,Low,Open,Volume\nDate,,,,,", "{d},{c},{h},{l},{o},{v}"
    ),
    "yfinance history": Sample(
        "ABC.csv", "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits",
        "{d} 00:00:00+00:00,{o},{h},{l},{c},{v},0.0,0.0",
    ),
    "Yahoo": Sample("ABC.csv", YAHOO, "{d},{o},{h},{l},{c},9,{v}"),
    "Yahoo's page": Sample(
        "ABC.csv", "Date,Open,High,Low,Close*,Adj Close**,Volume", '"{d}",{o},{h},{l},{c},9,"{v:,}"', "%b %d, %Y"
    ),
    "NSE bhavcopy": Sample(
        "cm01OCT2019bhav.csv",
        "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES,ISIN,",
        "ABC,EQ,{o},{h},{l},{c},1,1,{v},1,{d},1,INE1,\nABC,BE,9,9,9,9,9,9,9,9,{d},9,INE1,", "%d-%b-%Y",
    ),
    "NSE UDiFF": Sample(
        "BhavCopy_NSE_CM_0_0_0_20230103_F_0000.csv",
        "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,OpnPric,HghPric,LwPric,ClsPric,LastPric,"
        "PrvsClsgPric,TtlTradgVol,TtlTrfVal,Rsvd4",
        "{d},{d},CM,NSE,STK,2885,INE1,ABC,EQ,{o},{h},{l},{c},1,1,{v},1,\n{d},{d},CM,NSE,STK,1,INE2,XYZ,GB,,,,,,,,,",
    ),
    "NSE with deliveries": Sample(
        "sec_bhavdata_full_01102019.csv",
        "SYMBOL, SERIES, DATE1, PREV_CLOSE, OPEN_PRICE, HIGH_PRICE, LOW_PRICE, LAST_PRICE, CLOSE_PRICE, AVG_PRICE,"
        " TTL_TRD_QNTY, TURNOVER_LACS, NO_OF_TRADES, DELIV_QTY, DELIV_PER",
        "ABC, EQ, {d}, 1, {o}, {h}, {l}, 1, {c}, 1, {v}, 1, 1, 1, 1\nABC, GS, {d}, 1, 9, 9, 9, 1, 9, 1, 9, 1, 1, -, -",
        "%d-%b-%Y",
    ),
    "NSE security-wise": Sample(
        "Quote.csv",
        '\ufeff"Symbol  ","Series  ","Date  ","Prev Close  ","Open Price  ","High Price  ","Low Price  ","LTP",'
        '"Close Price  ","Average Price ","Total Traded Quantity  ","Turnover ₹  "',
        '"ABC","EQ","{d}","1,000.5","{o}","{h}","{l}","1","{c}","1","{v:,}","12,34,567"', "%d-%b-%Y",
    ),
    "NSE historical": Sample(
        "ABC.csv",
        '\ufeff"Date ","series ","OPEN ","HIGH ","LOW ","PREV. CLOSE ","ltp ","close ","vwap ","52W H ","VOLUME "',
        '"{d}","EQ","{o}","{h}","{l}","1","1","{c}","1","1","{v:,}"', "%d-%b-%Y",
    ),
    "BSE bhavcopy": Sample(
        "EQ_ISINCODE_011019.CSV",
        "SC_CODE,SC_NAME,SC_GROUP,OPEN,HIGH,LOW,CLOSE,LAST,NO_OF_SHRS,TRADING_DATE",
        "500325,RELIANCE,A,{o},{h},{l},{c},1,{v},{d}", "%d-%b-%y", symbol="500325",
    ),
    "Stooq in bulk": Sample(
        "abc.us.txt", "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        "ABC.US,D,{d},000000,{o},{h},{l},{c},{v},0", "%Y%m%d", symbol="ABC.US",
    ),
    "Stooq": Sample("ABC.csv", "Date,Open,High,Low,Close,Volume", "{d},{o},{h},{l},{c},{v}"),
    "MetaTrader 5 by day": Sample(
        "ABC_Daily_202301030000_202301160000.csv", "<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        "{d}\t{o}\t{h}\t{l}\t{c}\t{v}\t0\t5", "%Y.%m.%d", "\r\n",
    ),
    "MetaTrader 5": Sample(
        "ABC_H1.csv", "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>",
        "{d}\t00:00:00\t{o}\t{h}\t{l}\t{c}\t{v}\t0\t5", "%Y.%m.%d",
    ),
    "MetaTrader 4": Sample("ABC1440.csv", "", "{d},00:00,{o},{h},{l},{c},{v}", "%Y.%m.%d"),
    "HistData": Sample("DAT_ASCII_ABC_M1_2023.csv", "", "{d} 000000;{o};{h};{l};{c};{v}", "%Y%m%d"),
    "Binance": Sample("ABC-1d-2023-01.csv", "", "{s}000,{o},{h},{l},{c},{v},{s}999,1,1,1,1,0"),
    "Binance in microseconds": Sample(
        "ABC-1d-2025-01.csv",
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote,ignore",
        "{s}000000,{o},{h},{l},{c},{v},{s}999999,1,1,1,1,0",
    ),
    "TradingView": Sample("NSE_ABC, 1D.csv", "time,open,high,low,close,Volume", "{s},{o},{h},{l},{c},{v}"),
    "TradingView with dates": Sample(
        "BATS_ABC, 1D_5f3a.csv", "time,open,high,low,close,Volume,MA", "{d}T00:00:00Z,{o},{h},{l},{c},{v},"
    ),
    "Investing.com": Sample(
        "ABC Historical Data.csv", '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"',
        '"{d}","{c}","{o}","{h}","{l}","{k}","0.10%"', "%m/%d/%Y",
    ),
    "Barchart": Sample(
        "ABC_daily_historical-data-01-16-2023.csv", "Time,Open,High,Low,Last,Change,%Chg,Volume",
        "{d},{o},{h},{l},{c},1.5,0.1%,{v}", "%m/%d/%Y",
    ),
    "Investing.com in India": Sample(
        "ABC Historical Data (1).csv", '"Date","Price","Open","High","Low","Vol.","Change %"',
        '"{d}","{c}","{o}","{h}","{l}","{k}","0.10%"', "%d-%m-%Y",
    ),
    "Investing.com before": Sample(
        "ABC Historical Data.csv", '"Date","Price","Open","High","Low","Vol.","Change %"',
        '"{d}","{c}","{o}","{h}","{l}","{k}","0.10%"', "%b %d, %Y",
    ),
    "Nasdaq.com": Sample("ABC.csv", "Date,Close/Last,Volume,Open,High,Low", "{d},${c},{v},${o},${h},${l}", "%m/%d/%Y"),
    "Dukascopy": Sample(
        "ABC_Candlestick_1_D_BID_03.01.2023-16.01.2023.csv", "Gmt time,Open,High,Low,Close,Volume",
        "{d} 00:00:00.000,{o},{h},{l},{c},{v}", "%d.%m.%Y",
    ),
    "Polygon": Sample(
        "2023-01-03.csv", "ticker,volume,open,close,high,low,window_start,transactions",
        "ABC,{v},{o},{c},{h},{l},{s}000000000,7",
    ),
    "CryptoDataDownload": Sample(
        "Binance_ABC_d.csv", "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,volume",
        "{s}000,{d} 00:00:00,A/BC,{o},{h},{l},{c},{v}", symbol="A-BC",
    ),
    "BSE by scrip": Sample(
        "ABC.csv", "Date,Open Price,High Price,Low Price,Close Price,WAP,No.of Shares,No. of Trades",
        "{d},{o},{h},{l},{c},1.5,{v},3", "%d-%B-%Y",
    ),
    "Sierra Chart": Sample(
        "ABC.txt", "Date, Time, Open, High, Low, Last, Volume, # of Trades, OHLC Avg",
        "{d}, 00:00:00, {o}, {h}, {l}, {c}, {v}, 3, 1", "%Y/%m/%d",
    ),
    "Databento": Sample(
        "x.csv", "ts_event,rtype,publisher_id,open,high,low,close,volume,symbol",
        "{s}000000000,35,1,{o},{h},{l},{c},{v},ABC"
    ),
    "one-letter names": Sample("ABC.csv", "t,o,h,l,c,v,n,vw", "{d}T00:00:00Z,{o},{h},{l},{c},{v},3,1.5"),
    "AmiBroker": Sample("x.csv", "<TICKER>,<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        "ABC,{d},{o},{h},{l},{c},{v}", "%Y%m%d"),
    "NinjaTrader by day": Sample("ABC.txt", "", "{d};{o};{h};{l};{c};{v}", "%Y%m%d"),
    "Interactive Brokers": Sample("ABC.csv", "date,open,high,low,close,volume",
        "{d}  00:00:00,{o},{h},{l},{c},{v}", "%Y%m%d"),
    "BSE bhavcopy, UDiFF": Sample(
        "BhavCopy_BSE_CM_0_0_0_20230103_F_0000.CSV",
        "TradDt,FinInstrmTp,TckrSymb,SctySrs,OpnPric,HghPric,LwPric,ClsPric,TtlTradgVol\n2023-01-03,IDX,X,,1,1,1,1,0",
        "{d},STK,ABC,A,{o},{h},{l},{c},{v}",
    ),
    "NSE index closes": Sample(
        "ind_close_all_03012023.csv", "Index Name,Index Date,Open Index Value,High Index Value,Low Index Value,"
        "Closing Index Value,Points Change,Volume", "ABC,{d},{o},{h},{l},{c},-,{v}", "%d-%m-%Y",
    ),
    "NSE index prices": Sample(
        "ABC-01-01-2023-to-31-12-2023.csv", "Date ,Open ,High ,Low ,Close ,Shares Traded ,Turnover (₹ Cr)",
        "{d},{o},{h},{l},{c},{v},1", "%d-%b-%Y",
    ),
    "NSE's page of a share": Sample(
        "Quote-Equity-ABC-EQ-01-01-2023-to-31-12-2023.csv",
        '"Date ","series ","OPEN ","HIGH ","LOW ","PREV. CLOSE ","ltp ","close ","vwap ","VOLUME "',
        '"{d}","EQ","{o}","{h}","{l}","1","1","{c}","1","{v:,}"', "%d-%b-%Y",
    ),
    "GetBhavCopy": Sample("2023-01-03-NSE-EQ.txt", "", "ABC,{d},{o},{h},{l},{c},{v}", "%Y%m%d"),
    "GetBhavCopy with interest": Sample("x.csv", "", "ABC,{d},{o},{h},{l},{c},{v},0", "%Y%m%d"),
    "Stooq in Polish": Sample(
        "ABC.csv", "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen", "{d},{o},{h},{l},{c},{v}"
    ),
    "MetaStock": Sample("x.txt", "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        "ABC,D,{d},000000,{o},{h},{l},{c},{v},0", "%Y%m%d"),
    "MetaTrader 5 for Python": Sample(
        "ABC.csv", ",time,open,high,low,close,tick_volume,spread,real_volume", "0,{s},{o},{h},{l},{c},{v},2,0"
    ),
    "Kraken": Sample("ABC_1440.csv", "", "{s},{o},{h},{l},{c},{v},5"),
    "FirstRate Data": Sample("ABC_1day.txt", "", "{d},{o},{h},{l},{c},{v}"),
    "Kibot": Sample("ABC.txt", "", "{d},00:00,{o},{h},{l},{c},{v}", "%m/%d/%Y"),
    "Kibot by day": Sample("ABC.txt", "", "{d},{o},{h},{l},{c},{v}", "%m/%d/%Y"),
    "Dukascopy in local time": Sample(
        "ABC_Candlestick_1_D_BID_03.01.2023-16.01.2023.csv", "Local time,Open,High,Low,Close,Volume",
        "{d} 05:30:00.000 GMT+0530,{o},{h},{l},{c},{v}", "%d.%m.%Y",
    ),
    "Dukascopy by its tool": Sample(
        "abc-d1-bid-2023-01-03-2023-01-16.csv", "timestamp,open,high,low,close,volume", "{s}000,{o},{h},{l},{c},{v}",
        symbol="abc",
    ),
    "Alpha Vantage": Sample(
        "daily_ABC.csv", "timestamp,open,high,low,close,volume", "{d},{o},{h},{l},{c},{v}"
    ),
    "numbered columns": Sample(
        "ABC.csv", "date,1. open,2. high,3. low,4. close,5. adjusted close,6. volume", "{d},{o},{h},{l},{c},9,{v}"
    ),
    "Tushare": Sample("x.csv", "ts_code,trade_date,open,high,low,close,pre_close,vol,amount",
        "ABC,{d},{o},{h},{l},{c},1,{v},1", "%Y%m%d"),
    "AkShare": Sample("ABC.csv", "日期,开盘,收盘,最高,最低,成交量", "{d},{o},{c},{h},{l},{v}"),
    "an index without a name": Sample("ABC.csv", ",Open,High,Low,Close,Volume", "{d},{o},{h},{l},{c},{v}"),
    "volumes in two currencies": Sample(
        "ABC.csv", "Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency)", "{s},{o},{h},{l},{c},{v},7"
    ),
    "thousands": Sample("ABC.csv", "Date,Open,High,Low,Close,Volume", '{d},{o},{h},{l},{c},"{v:,}"'),
    "Excel with its separator": Sample("ABC.csv", "sep=;\nDate;Open;High;Low;Close;Volume", "{d};{o};{h};{l};{c};{v}"),
    "semicolons and decimal commas": Sample(
        "ABC.csv", "Date;Open;High;Low;Close;Volume", "{d};{o:n};{h:n};{l:n};{c:n};{v}", "%d.%m.%Y"
    ),
}  # fmt: skip


def write(folder: Path, sample: Sample) -> Path:
    """The file of a sample."""
    text = sample.text()
    if sample is SAMPLES["semicolons and decimal commas"]:
        head, _, body = text.partition("\n")
        days = body.splitlines()
        text = "\n".join([head, *(day[:10] + day[10:].replace(".", ",") for day in days), ""])
    path = folder / sample.name
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("name", SAMPLES)
def test_files_of_programs_are_read_as_they_are(name: str, tmp_path: Path) -> None:
    """Each kind of file gives its three bars, without a finding, under its symbol."""
    write(tmp_path, SAMPLES[name])
    check_bars(source(tmp_path), SAMPLES[name].symbol)


def test_every_format_has_a_sample(tmp_path: Path) -> None:
    """No format is registered that no sample is recognised as."""
    found = set()
    for number, sample in enumerate(SAMPLES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder, sample)
        found.update(source(folder).understood())
    for form in FORMATS:
        assert any(f"read as {form.name}" in sentence for sentence in found), form.name


@pytest.mark.parametrize("name", ["", "index", "Unnamed: 0", "Date Time", "date_time", "Trade Date"])
def test_the_column_of_time_may_be_an_index_or_have_a_usual_name(name: str, tmp_path: Path) -> None:
    """pandas writes an index without a name, and names it when it reads and writes again."""
    sample = Sample("ABC.csv", f"{name},Open,High,Low,Close,Volume\n", "{d},{o},{h},{l},{c},{v}")
    (tmp_path / sample.name).write_text(sample.text())
    check_bars(source(tmp_path), "ABC")


def test_an_index_of_numbers_is_no_time(tmp_path: Path) -> None:
    """An index without a name that counts rows is refused by its first cell."""
    (tmp_path / "ABC.csv").write_text(",Open,High,Low,Close,Volume\n0,10,12,9,11,5\n1,10,12,9,11,5\n")
    (finding,) = bars_of(source(tmp_path), "ABC").findings
    assert finding.check is Check.BAD_CELL and "timestamp '0' is not a timestamp" in finding.detail


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    """The message lists the file's columns and the option that names one."""
    (tmp_path / "ABC.csv").write_text("when,open,high,low,close,volume\n2023-01-03,10,12,9,11,5\n")
    (finding,) = bars_of(source(tmp_path), "ABC").findings
    assert "the file has when, open, high, low, close, volume; name it: --columns timestamp=NAME" in finding.detail


def test_a_header_that_is_repeated_is_no_row(tmp_path: Path) -> None:
    """Programs that continue a file write its header again."""
    sample = Sample("ABC.csv", "Date,Open,High,Low,Close,Volume", "{d},{o},{h},{l},{c},{v}")
    lines = sample.text().splitlines()
    (tmp_path / "ABC.csv").write_text("\n".join([*lines[:2], lines[0], *lines[2:], ""]))
    check_bars(source(tmp_path), "ABC")
