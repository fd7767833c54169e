"""Files that no program here made: other languages, vendors, numbers and encodings, lines around the bars."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from schemas.contract.errors import RequestError
from schemas.contract.quality import Check
from tests.workers.bars.test_formats import BARS, DAYS, bars_of, check_bars, source
from workers.bars.files.parquet import ParquetFolder

PLAIN = "Date,Open,High,Low,Close,Volume"


def bars(line: str, form: str = "%Y-%m-%d", write: Callable[[float], str] = str) -> list[str]:
    """A line per bar: `{d}` is its date in this form, `{o}` and so on its prices as `write` has them."""
    found = []
    for day, (opening, high, low, close, volume) in zip(DAYS, BARS, strict=True):
        prices = {name: write(value) for name, value in zip("ohlc", (opening, high, low, close), strict=True)}
        found.append(line.format(d=date.fromisoformat(day).strftime(form), v=int(volume), k=volume / 1000, **prices))
    return found


def comma(value: float) -> str:
    """A price with a decimal comma."""
    return f"{value:.2f}".replace(".", ",")


ALL = "{d},{o},{h},{l},{c},{v}"
SEMICOLONS = ALL.replace(",", ";")
FILES: dict[str, list[str]] = {
    "German": ["Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen", *bars(f"{SEMICOLONS};9", write=comma)],
    "French, years of two digits": ["Date;Ouverture;Haut;Bas;Clôture;Volume", *bars(SEMICOLONS, "%d/%m/%y", comma)],
    "Spanish": ["Fecha,Apertura,Máximo,Mínimo,Cierre,Volumen", *bars(ALL)],
    "Portuguese": ["Data;Abertura;Máxima;Mínima;Fechamento;Volume", *bars(SEMICOLONS, "%d/%m/%Y", comma)],
    "Italian": ["Data,Apertura,Massimo,Minimo,Chiusura,Volume", *bars(ALL)],
    "Russian": ["Дата;Открытие;Максимум;Минимум;Закрытие;Объём", *bars(SEMICOLONS)],
    "Japanese": ["日付,始値,高値,安値,終値,出来高", *bars(ALL, "%Y年%m月%d日")],
    "Korean": ["날짜,시가,고가,저가,종가,거래량", *bars(ALL)],
    "Chinese": ["交易日期,开盘价,最高价,最低价,收盘价,成交量", *bars(ALL, "%Y%m%d")],
    "Bloomberg": ["Security,ABC IN Equity", "Period,D", "", "Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME",
                  *bars(ALL, "%m/%d/%Y")],
    "Refinitiv": ["Exchange Date,Close,Net,%Chg,Open,Low,High,Volume",
                  *bars("{d},{c},1,0.1%,{o},{l},{h},{v}", "%d-%b-%Y")],
    "Quandl": ["Date,Open,High,Low,Last,Close,Total Trade Quantity,Turnover (Lacs)",
               *bars("{d},{o},{h},{l},9,{c},{v},1.5")],
    "prices with units": ["Trade Date,Open Price (INR),High Price (INR),Low Price (INR),Close Price (INR),Total Volume",
                          *bars(ALL)],
    "a list of candles": [",0,1,2,3,4,5", *bars(f"7,{ALL}")],
    "a list of candles with interest": ["0,1,2,3,4,5,6", *bars(f"{ALL},0")],
    "a title and a note": ["ABC Ltd., daily", "", PLAIN, *bars(ALL)],
    "comments": ["# exported by a program", "# symbol: ABC", PLAIN, *bars(ALL)],
    "a note after the bars": [PLAIN, *bars(ALL), '"Downloaded on 01-05-2024 04:05pm"'],
    "a sum after the bars": [PLAIN, *bars(ALL), "Total,,,,,10200", "", "Source: somewhere"],
    "a comma at the end of each row": [PLAIN, *bars(f"{ALL},")],
    "rupees": [PLAIN, *bars(ALL, write=lambda price: f"₹{price}")],
    "Rs.": [PLAIN, *bars(ALL, write=lambda price: f"Rs.{price}")],
    "a code of a currency": [PLAIN, *bars(ALL, write=lambda price: f"{price} INR")],
    "euros": [PLAIN.replace(",", ";"), *bars(SEMICOLONS, write=lambda price: f"{comma(price)} €")],
    "decimal commas in quotes": [PLAIN, *bars('"{d}","{o}","{h}","{l}","{c}","{v}"', write=comma)],
    "volumes in thousands": [PLAIN, *bars("{d},{o},{h},{l},{c},{k}K")],
    "days of the week": [PLAIN, *bars('"{d}",{o},{h},{l},{c},{v}', "%A, %B %d, %Y")],
    "days of the week in short": [PLAIN, *bars('"{d}",{o},{h},{l},{c},{v}', "%a, %d %b %Y")],
    "points and two digits": [PLAIN, *bars(ALL, "%d.%m.%y")],
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_countries_and_vendors_are_read(name: str, tmp_path: Path) -> None:
    """As they are, and with a sentence if a column has another name or lines are before the header."""
    (tmp_path / "ABC.csv").write_text("\n".join([*FILES[name], ""]), encoding="utf-8")
    opened = source(tmp_path)
    check_bars(opened, "ABC")
    if FILES[name][0] != PLAIN and "candles" not in name and PLAIN.replace(",", ";") != FILES[name][0]:
        assert opened.understood()


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("ABC Historische Daten", "ABC"), ("Datos históricos ABC", "ABC"), ("Dados Históricos - ABC (1)", "ABC")],
)
def test_investing_com_in_other_languages(name: str, symbol: str, tmp_path: Path) -> None:
    """Decimal commas in quotes, volumes in thousands, and the symbol in a name of its own."""
    lines = bars('"{d}","{c}","{o}","{h}","{l}","{v}","0,12%"', "%d.%m.%Y", comma)
    lines = [
        line.replace(f'"{int(bar[4])}"', f'"{comma(bar[4] / 1000)}K"') for line, bar in zip(lines, BARS, strict=True)
    ]
    head = '"Datum","Zuletzt","Eröffn.","Hoch","Tief","Vol.","+/- %"'
    (tmp_path / f"{name}.csv").write_text("\n".join([head, *lines, ""]), encoding="utf-8")
    opened = source(tmp_path)
    check_bars(opened, symbol)
    assert "close from Zuletzt" in opened.understood()[0]


@pytest.mark.parametrize("thousands", ["'", "\xa0", "\u202f", " ", "\u2019"])
def test_thousands_with_apostrophes_and_blanks(thousands: str, tmp_path: Path) -> None:
    """As they are written in Switzerland and France."""
    price = f"1{thousands}234.50"
    (tmp_path / "ABC.csv").write_text(
        f"Date;Open;High;Low;Close;Volume\n2023-01-03;{price};{price};{price};{price};12\n"
    )
    assert bars_of(source(tmp_path), "ABC").series.close.tolist() == [1234.5]


@pytest.mark.parametrize(
    ("row", "cell"),
    [("2023-01-17,,,,,", "''"), ("2023-01-17,₹10,11,9,10,5", "'₹10'"), ('2023-01-17,"10,5",11,9,10,5', "'10,5'")],
)
def test_one_row_of_another_form_is_a_fault(row: str, cell: str, tmp_path: Path) -> None:
    """A day without prices is no note; a currency or a decimal comma in one row is a mistake."""
    (tmp_path / "ABC.csv").write_text("\n".join([PLAIN, *bars(ALL), row, ""]))
    findings = bars_of(source(tmp_path), "ABC").findings
    assert [finding.check for finding in findings] == [Check.BAD_CELL] and cell in findings[0].detail


@pytest.mark.parametrize(("encoding", "head"), [("cp1252", "Date;Ouverture;Haut;Bas;Clôture;Volume"),
                                                ("gb18030", "日期;开盘;最高;最低;收盘;成交量"),
                                                ("shift_jis", "日付;始値;高値;安値;終値;出来高")])  # fmt: skip
def test_an_encoding_is_given_by_name(encoding: str, head: str, tmp_path: Path) -> None:
    """Without it the file is refused with the flag; with it the bars are read."""
    (tmp_path / "ABC.csv").write_bytes("\n".join([head, *bars(SEMICOLONS), ""]).encode(encoding))
    (finding,) = bars_of(source(tmp_path), "ABC").findings
    assert "cannot be read as UTF-8" in finding.detail and "--encoding, such as cp1252" in finding.detail
    check_bars(source(tmp_path, encoding=encoding), "ABC")


@pytest.mark.parametrize(("ending", "pack"), [(".bz2", bz2.compress), (".xz", lzma.compress)])
def test_other_packers(ending: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """bzip2 and xz are unpacked as gzip is."""
    (tmp_path / f"ABC.csv{ending}").write_bytes(pack("\n".join([PLAIN, *bars(ALL), ""]).encode()))
    check_bars(source(tmp_path), "ABC")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PK\x03\x04\x14", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0", "is an Excel workbook; save it as CSV"),
        (b"PAR1\x15", "is a Parquet file; give --source parquet:DIR"),
        (b"ARROW1\x00", "is a Feather file"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b'{"s":"ok"}\n', "is JSON; write it as CSV"),
        (gzip.compress(b"x", mtime=0), "is packed once more by gzip"),
    ],
)
def test_what_is_no_text_is_named_by_what_it_is(content: bytes, expected: str, tmp_path: Path) -> None:
    """Whatever its name: one finding names what the file is and what to do."""
    (tmp_path / "ABC.csv").write_bytes(content)
    (finding,) = bars_of(source(tmp_path), "ABC").findings
    assert (finding.check, expected in finding.detail) == (Check.UNREADABLE, True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ABC.xlsx", "ABC.xlsx is a workbook; save it as CSV"),
        ("ABC.feather", "ABC.feather is a Feather file; write it as Parquet"),
        ("ABC.json", "ABC.json is JSON; write it as CSV"),
        ("ABC.csv.zst", "is packed in a way that is not read; unpack it"),
        ("ABC.parquet", "ABC.parquet is a Parquet file; give --source parquet:DIR"),
    ],
)
def test_a_folder_of_other_files_is_one_line_that_names_one(name: str, expected: str, tmp_path: Path) -> None:
    """Instead of "add bars"."""
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(RequestError) as refused:
        source(tmp_path).symbols()
    assert expected in str(refused.value)


def test_feather_under_another_name(tmp_path: Path) -> None:
    """`parquet:` names it in one sentence, and text files with the flag that reads them."""
    (tmp_path / "ABC.parquet").write_bytes(b"ARROW1\x00\x00")
    (finding,) = bars_of(source(tmp_path, ParquetFolder), "ABC").findings
    assert "is a Feather file; write it as Parquet" in finding.detail
    (tmp_path / "ABC.parquet").rename(tmp_path / "ABC.csv")
    with pytest.raises(RequestError, match=r"ABC\.csv is a text file; give --source csv:DIR"):
        source(tmp_path, ParquetFolder).symbols()
