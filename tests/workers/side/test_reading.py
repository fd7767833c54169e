"""Files of side data as people write them: what is read, what is refused and where, and what is noted."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.config.side import SideRequest
from schemas.contract.errors import RequestError
from schemas.contract.quality import Check
from workers.side.reading import ReadSide, read

IST = "Asia/Kolkata"
GOOD = "2024-01-03,2024-01-03,1\n"


def request(path: Path, lag_s: int | None = None, max_age_s: int | None = None) -> SideRequest:
    """A file named fii."""
    return SideRequest(name="fii", path=str(path), lag_s=lag_s, max_age_s=max_age_s)


def written(folder: Path, text: str | bytes, name: str = "fii.csv", lag_s: int | None = None) -> ReadSide:
    """What is read of a file with this text."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(request(path, lag_s), IST)


def known(found: ReadSide, symbol: str = "") -> list[str]:
    """When the rows became known, in India."""
    rows = found.table.rows[symbol]
    return [str(each) for each in (rows.known_at + 19_800 * 10**6).view("M8[us]").astype("M8[m]")]


def test_a_day_ends_before_its_value_is_known(tmp_path: Path) -> None:
    """A known_at without a time of day is the end of that day, and a lag counts from the end of the day of `time`."""
    text = "time,known_at,net\n2024-01-02,2024-01-02 18:30,1\n2024-01-03,2024-01-03,2\n2024-01-04,2024-01-08T00:00,\n"
    found = written(tmp_path, text)
    assert known(found) == ["2024-01-02T18:30", "2024-01-04T00:00", "2024-01-08T00:00"]
    assert (
        np.isnan(found.table.rows[""].values[-1, 0]) and found.coverage.first.isoformat() == "2024-01-02T00:00:00+05:30"
    )
    days = "time,net\n2024-01-02,1\n2024-01-03,2\n"
    assert known(written(tmp_path, days, lag_s=0)) == ["2024-01-03T00:00", "2024-01-04T00:00"]
    timed = "time,net\n2024-01-02 09:15,1\n2024-01-03 00:00,2\n"
    assert known(written(tmp_path, timed, lag_s=3600)) == ["2024-01-02T10:15", "2024-01-03T01:00"]


def test_offsets_are_instants(tmp_path: Path) -> None:
    """The same instants in UTC, in New York's time, and without an offset in the run's zone."""
    lines = ("2024-07-01T14:00Z,2024-07-01T15:00Z", "2024-07-01T10:00-04:00,2024-07-01T11:00-04:00")
    read_as = [
        written(tmp_path, f"time,known_at,x\n{line},1\n").content
        for line in (*lines, "2024-07-01 19:30,2024-07-01 20:30")
    ]
    assert len(set(read_as)) == 1


def test_parquet_gives_the_same_bytes(tmp_path: Path) -> None:
    """Dates, timestamps, symbols as a dictionary, whole numbers and truth values."""
    text = (
        "Time;Symbol;KNOWN_AT;pe;member\n02-Jan-2024;TCS;2024-01-05 10:00;31.5;1\n03-Jan-2024;M&M;2024-01-05 10:00;;0\n"
    )
    table = pa.table({
        "time": pa.array(np.array(["2024-01-02", "2024-01-03"], dtype="M8[D]")),
        "symbol": pa.array(["TCS", "M&M"]).dictionary_encode(),
        "known_at": pa.array(np.array(["2024-01-05T10:00"] * 2, dtype="M8[us]")),
        "pe": pa.array([31.5, None]), "member": pa.array([True, False]),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "fii.parquet")
    found, again = written(tmp_path, text), read(request(tmp_path / "fii.parquet"), IST)
    assert found.content == again.content and again.coverage.symbols == ("M&M", "TCS")
    assert again.coverage.columns == ("pe", "member")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,net\n2024-01-02,1\n", "no column known_at, when a value was known; add one, or .*--side-lag fii=1d"),
        ("day,known_at,net\n2024-01-02,2024-01-02,1\n", "no column time"),
        ("time,known_at\n2024-01-02,2024-01-02\n", "no column of values"),
        ("time,time,known_at,net\n2024-01-02,2024-01-02,2024-01-02,1\n", "column time twice"),
        ("", "is empty"),
        ("\n" + GOOD, "the first line is empty; begin with the header"),
        pytest.param(200_000 * "x" + "\n1\n", "cannot be read: field larger than field limit", id="long"),
        ("time,known_at,net\n", "has no rows"),
        ("time,known_at,net\n2024-01-02,2024-01-02,x1\n" + GOOD, r"fii.csv line 2: net is 'x1', not a number"),
        ("time,known_at,net\n2024-01-02,2024-01-02,inf\n" + GOOD, "line 2: net is 'inf', not a number"),
        ("time,known_at,sector\n2024-01-02,2024-01-02,Bank\n2024-01-03,2024-01-03,IT\n",
         "column sector is 'Bank'.*side data are numbers: write a column of 0 and 1 per class"),
        ("time,known_at,net\n2024-01-02,soon,1\n" + GOOD, "line 2: column known_at: timestamp 'soon' is not"),
        ("time,known_at,net\n2024-01-02,,1\n" + GOOD, "line 2: column known_at: timestamp is empty"),
        ("time,known_at,net\n2024-13-02,2024-01-02,1\n" + GOOD, "line 2: column time: timestamp '2024-13-02' is not"),
        ("time,known_at,net\n03/04/2024,2024-01-02,1\n", "column time: .*"),
        ("time,known_at,net\n2024-01-02,2024-01-02,1,2\n" + GOOD, "line 2: has 4 cells, the header has 3"),
        ("time,known_at,net\n\n2024-01-02,2024-01-02,1\n2024-01-02,2024-01-02,2\n",
         "line 4: has other values than .*line 3, of the same time and known_at; keep one"),
        ("symbol,time,known_at,net\n,2024-01-02,2024-01-02,1\n", "line 2: symbol is empty"),
        ("symbol,time,known_at,net\n../x,2024-01-02,2024-01-02,1\n", "line 2: symbol is .*, not the name"),
        (b"\xff\xfe\x00", "cannot be read|is not"),
        ("time,known_at,net\n0001-01-01,2024-01-02,1\n" + GOOD, "line 2: column time: timestamp .*not in the years"),
    ],
)  # fmt: skip
def test_a_faulty_file_is_refused_with_its_place(tmp_path: Path, text: str | bytes, words: str) -> None:
    """Before a run, by one sentence that begins with the flag."""
    with pytest.raises(RequestError, match=f"^--side fii: .*{words}"):
        written(tmp_path, text)


@pytest.mark.parametrize("name", ["absent.csv", "fii.xlsx", "fii.parquet", "fii.csv.gz", "folder.csv"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    """One that is missing, a workbook, damaged Parquet, a damaged archive, a folder."""
    if name == "folder.csv":
        (tmp_path / name).mkdir()
    elif name != "absent.csv":
        (tmp_path / name).write_bytes(b"PK\x03\x04 no such file")
    with pytest.raises(RequestError, match=r"^--side fii: unreadable: "):
        read(request(tmp_path / name), IST)


def test_a_lag_beside_known_at_is_refused(tmp_path: Path) -> None:
    """One of the two decides, so that no run has a lag without effect."""
    with pytest.raises(RequestError, match="has a column known_at, which decides; leave --side-lag fii out"):
        written(tmp_path, "time,known_at,net\n2024-01-02,2024-01-02,1\n", lag_s=60)


def test_revisions_are_kept_and_oddities_are_noted(tmp_path: Path) -> None:
    """A second value of one time, a repeated row, one known before its time, a long gap, many equal values."""
    days = [f"2024-01-{day:02}" for day in range(1, 29)] + ["2024-06-01"]
    lines = [f"{day},{day} 18:00,5" for day in days]
    lines += [lines[0], "2024-01-02,2024-02-01 18:00,5", "2024-07-01,2024-06-01 18:00,5"]
    found = written(tmp_path, "\n".join(["time,known_at,net", *lines]))
    assert found.coverage.rows == 31 and found.coverage.revisions == 1
    noted = {each.check: each for each in found.coverage.findings}
    assert set(noted) == {Check.DUPLICATE, Check.KNOWN_EARLY, Check.SIDE_GAP, Check.STALE_RUN}
    assert "between 2024-01-28 and 2024-06-01" in noted[Check.SIDE_GAP].detail
    assert "30 times in a row" in noted[Check.STALE_RUN].detail
