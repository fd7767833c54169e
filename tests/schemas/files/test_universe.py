"""The file of a universe by date, and its stored form."""

from datetime import date
from pathlib import Path

import pytest

from schemas.contract.errors import DataError, RequestError
from schemas.files.layout import universe_file
from schemas.files.universe import read_universe, store_universe, stored_universe

DAY, NEXT, END = date(2020, 1, 1), date(2021, 1, 1), date(2024, 1, 1)


def written(folder: Path, *lines: str, header: str = "symbol,from,to") -> str:
    path = folder / "universe.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return str(path)


def test_a_symbol_belongs_from_a_day_until_another(tmp_path: Path) -> None:
    """Stays are half-open, may be several per symbol and open at the end; other days and symbols do not belong."""
    found = read_universe(written(tmp_path, "B,2023-01-01,", " A , 2020-01-01 ,2021-01-01", "A,2022-06-01,", ""))
    assert found.spans("A", DAY, END) == [(DAY, NEXT), (date(2022, 6, 1), END)]
    assert found.spans("A", NEXT, date(2022, 6, 1)) == [] and found.spans("C", DAY, END) == []
    assert found.members(DAY, NEXT) == ["A"] and found.members(NEXT, END) == ["A", "B"]


def test_its_digest_is_of_its_stays_alone(tmp_path: Path) -> None:
    """The order of lines, blanks and the end of lines change nothing; a day does. The stored file is read back."""
    one = read_universe(written(tmp_path, "A,2020-01-01,", "B,2020-01-01,2021-01-01"))
    other = read_universe(
        written(tmp_path, "B, 2020-01-01, 2021-01-01\r", "\r", "A,2020-01-01,", header="Symbol,From,To")
    )
    later = read_universe(written(tmp_path, "A,2020-01-02,", "B,2020-01-01,2021-01-01"))
    assert one == other and one.sha256 == other.sha256 != later.sha256
    store_universe(one, tmp_path)
    assert stored_universe(tmp_path, one.sha256) == one
    path = universe_file(tmp_path, one.sha256)
    path.write_text(later.text)
    with pytest.raises(DataError, match="is damaged"):
        stored_universe(tmp_path, one.sha256)
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        stored_universe(tmp_path, one.sha256)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["A,2020-01-01"], "line 2 has 2 cells"),
        (["A,2020-01-01,", "B,2020-01-01,x,y"], "line 3 has 4 cells"),
        (["../A,2020-01-01,"], "line 2: symbol '../A' is not valid"),
        (["A,01/02/2020,"], "line 2: '01/02/2020' is not a day; write it as 2015-01-31"),
        (["A,20200101,"], "'20200101' is not a day"),
        (["A,,2020-01-01"], "line 2: '' is not a day"),
        (["A,2020-01-01,2020-01-01"], "line 2: it ends on 2020-01-01, not after its first day 2020-01-01"),
        (["A,2021-01-01,", "A,2020-01-01,2021-01-02"], "line 2: A from 2021-01-01 overlaps its stay from 2020-01-01"),
        (["A,2020-01-01,", "A,2022-01-01,"], "line 3: A from 2022-01-01 overlaps"),
        (['A,"2020-01-01,'], "save it as CSV"),
        ([""], "names no symbol"),
    ],
)
def test_a_fault_names_its_line(tmp_path: Path, lines: list[str], fault: str) -> None:
    """What cannot be read is refused, with the place and what is right."""
    with pytest.raises(RequestError) as caught:
        read_universe(written(tmp_path, *lines))
    assert fault in str(caught.value)


def test_another_header_a_missing_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    """The columns are named, so that a list of symbols is not read as a universe."""
    with pytest.raises(RequestError, match="has the columns symbol,from,to"):
        read_universe(written(tmp_path, "A,2020-01-01,", header="symbol,date,weight"))
    with pytest.raises(RequestError, match="cannot be read: No such file"):
        read_universe(str(tmp_path / "absent.csv"))
    (tmp_path / "binary.csv").write_bytes(b"symbol,from,to\n\xff\xfe\x00")
    with pytest.raises(RequestError, match="not text in UTF-8"):
        read_universe(str(tmp_path / "binary.csv"))


def test_days_before_and_after_its_bars_are_lacking(tmp_path: Path) -> None:
    """A week at an end is no gap; a symbol without bars lacks all its days."""
    found = read_universe(written(tmp_path, "A,2020-01-01,2023-01-01"))
    assert found.lacking("A", None, DAY, END) == [(DAY, date(2023, 1, 1))]
    assert found.lacking("A", (date(2020, 1, 6), date(2022, 12, 28)), DAY, END) == []
    gaps = [(DAY, date(2020, 3, 1)), (date(2022, 7, 1), date(2023, 1, 1))]
    assert found.lacking("A", (date(2020, 3, 1), date(2022, 6, 30)), DAY, END) == gaps
