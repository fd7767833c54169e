"""Stored bars do not depend on the order, repetition and distribution of rows over files; other rows are named."""

from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.quality import Check, Verdict
from tests.strategies import examples
from tests.workers.bars.files import (
    FORMS,
    HEADER,
    STYLES,
    SYMBOL,
    TIMES,
    VALUES,
    ZONE,
    Style,
    good_table,
    only,
    read,
    rows,
    table,
    write_csv,
    written,
)
from workers.bars.clean import clean
from workers.bars.raw_bars import RawBars
from workers.bars.series import COLUMNS

# A file's style, its rows, and the rows with an empty line before them.
Written = tuple[Style, list[int], list[int]]

BAD_CELLS = ["abc", "", "NaN", "inf", "-inf", "-1", "1_0", "1,5", "1e999"]


@st.composite
def written_down(draw: st.DrawFn) -> list[Written]:
    """Files: the style of each, its good rows (some repeated), and its blank lines."""
    order = draw(st.permutations([*range(5), *draw(st.lists(st.integers(0, 4), max_size=4))]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=3)))
    parts = [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    # All files have one style, as in most real folders, or each has its own.
    shared = draw(st.one_of(st.none(), STYLES))
    return [(shared or draw(STYLES), part, draw(st.lists(st.integers(0, 4), max_size=2))) for part in parts]


@examples(150)
@given(
    files=written_down(),
    form=st.sampled_from(FORMS),
    block=st.sampled_from([40, 150, 1 << 20]),
    cells=st.sampled_from([1, 1 << 20]),
)
def test_stored_bars_do_not_depend_on_how_they_are_written(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[Style, list[int], list[int]]],
    form: str,
    block: int,
    cells: int,
) -> None:
    """Order, repetition, files, column order, quotes, line ends, blank lines and block size do not change the table.

    Files are read in the order of their first bars, one that is newest first from its end. Each bar is placed at the
    first of its rows, and only repetition and other disorder are reported, by their numbers.
    """
    folder = tmp_path_factory.mktemp("bars", numbered=True)
    pieces: list[list[tuple[int, str]]] = []
    for number, (style, part, blanks) in enumerate(files):
        path = folder / SYMBOL / "1minute" / f"{number}.csv"
        starts = style.write(path, [rows(form)[row] for row in part], blanks)
        places = [(row, f"{path} line {line}") for row, line in zip(part, starts, strict=True)]
        is_newest_first = all(np.diff(part) <= 0) and any(np.diff(part) < 0)
        pieces.append(places[::-1] if is_newest_first else places)
    with (
        mock.patch("workers.bars.files.blocks.BLOCK_BYTES", block),
        mock.patch("workers.bars.files.csv.CELLS_BYTES", cells),
    ):
        bars = read(folder)
    assert table(bars).equals(good_table())
    in_order = sorted(filter(None, pieces), key=lambda places: min(row for row, _ in places))
    found = [place for places in in_order for place in places]
    order = [row for row, _ in found]
    assert [bars.locate(row) for row in range(5)] == [found[order.index(row)][1] for row in range(5)]
    expected = {Check.DUPLICATE: len(order) - 5, Check.UNSORTED: sum(np.diff(order) < 0)}
    assert {f.check: f.count for f in bars.findings} == {check: n for check, n in expected.items() if n}
    assert all(finding.verdict is Verdict.WARN for finding in bars.findings)


@examples(150)
@given(
    style=STYLES,
    cut=st.integers(0, 5),
    blanks=st.lists(st.integers(0, 4), max_size=2),
    row=st.integers(0, 4),
    column=st.integers(0, 5),
    text=st.sampled_from([*BAD_CELLS, "0", "2024-02-30", "12:30", "soon"]),
    block=st.sampled_from([40, 1 << 20]),
    cells=st.sampled_from([1, 1 << 20]),
)
def test_any_bad_cell_is_named_and_the_other_rows_are_kept(
    tmp_path_factory: pytest.TempPathFactory,
    style: Style,
    cut: int,
    blanks: list[int],
    row: int,
    column: int,
    text: str,
    block: int,
    cells: int,
) -> None:
    """Text, an empty cell, NaN, infinity, a price of 0 and negative numbers are named by file, line and column."""
    if text == "0" and column == 5:
        text = "none"
    folder = tmp_path_factory.mktemp("bars", numbered=True)
    lines = rows()
    lines[row][column] = text
    places: list[str] = []
    for number, part in enumerate([lines[:cut], lines[cut:]]):
        path = folder / SYMBOL / "1minute" / f"{number}.csv"
        places += [f"{path} line {line}" for line in style.write(path, part, blanks)]
    with (
        mock.patch("workers.bars.files.blocks.BLOCK_BYTES", block),
        mock.patch("workers.bars.files.csv.CELLS_BYTES", cells),
    ):
        bars = read(folder)
    finding = only(bars, Check.BAD_CELL)
    assert (finding.where, finding.count) == (places[row], 1)
    assert finding.detail.startswith(f"{HEADER[column]} is ") or (column == 0 and text in finding.detail)
    assert table(bars).equals(good_table([other for other in range(5) if other != row]))


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_one_instant_are_stored_the_same(form: str, tmp_path: Path) -> None:
    """Timestamps with an offset, without one and in UTC give the same stored bars, without a finding."""
    written(tmp_path, rows(form))
    bars = read(tmp_path)
    assert table(bars).equals(good_table())
    assert bars.findings == []


def test_stored_bars_are_what_was_read(tmp_path: Path) -> None:
    """Stored bars have UTC microseconds, the exchange's day, and exactly the file's numbers."""
    stored = table(read(written(tmp_path, rows()).parent))
    assert stored.column_names == ["timestamp", "session", *COLUMNS, "factor"]
    assert stored["timestamp"].type == pa.timestamp("us", tz="UTC")
    assert stored["timestamp"].to_pylist() == TIMES
    assert {str(day) for day in stored["session"].to_pylist()} == {"2024-01-01"}
    for column, values in zip(COLUMNS, np.array(VALUES, dtype=np.float64).T, strict=True):
        assert np.asarray(stored[column]).tolist() == values.tolist()


def test_a_session_is_a_local_day(tmp_path: Path) -> None:
    """A bar late in the UTC day belongs to the next day of an exchange to the east."""
    written(tmp_path, [["2024-01-01T20:00:00Z", *VALUES[0]]])
    for zone, day in (("Asia/Kolkata", "2024-01-02"), ("UTC", "2024-01-01"), ("America/New_York", "2024-01-01")):
        assert str(table(read(tmp_path, zone=zone))["session"][0].as_py()) == day


def test_an_instant_repeated_in_another_offset_is_a_repetition(tmp_path: Path) -> None:
    """Two different timestamps of one instant are a repetition."""
    lines = rows("Z")
    path = written(tmp_path, [*lines[:3], rows("+05:30")[2], *lines[3:]])
    bars = read(tmp_path)
    finding = only(bars, Check.DUPLICATE, Verdict.WARN)
    assert (finding.where, finding.count) == (f"{path} line 5", 1)
    assert f"2024-01-01T09:17:00+05:30 at {path} line 4" in finding.detail
    assert table(bars).equals(good_table())


@pytest.mark.parametrize("column", range(1, 6))
def test_rows_that_disagree_about_an_instant_are_both_named(column: int, tmp_path: Path) -> None:
    """Two rows of one instant with different prices or volumes reject the symbol, wherever they are."""
    folder = tmp_path / SYMBOL / "1minute"
    other = rows()[2]
    other[column] = "100.125"
    first, second = write_csv(folder / "1.csv", rows()), write_csv(folder / "2.csv", [other])
    bars = read(tmp_path)
    finding = next(finding for finding in bars.findings if finding.check is Check.CONFLICTING_DUPLICATE)
    assert (finding.verdict, finding.count, finding.where) == (Verdict.REJECT, 1, f"{second} line 2")
    assert f"{first} line 4" in finding.detail
    assert len(bars.series) == 5


def test_bars_out_of_order_are_sorted_and_named(tmp_path: Path) -> None:
    """Rows out of order are sorted; the first that goes back in time is named, with its timestamp."""
    lines = rows()
    path = written(tmp_path, [lines[0], lines[3], lines[1], lines[2], lines[4]])
    finding = only(read(tmp_path), Check.UNSORTED, Verdict.WARN)
    assert finding.where == f"{path} line 4"
    assert "2024-01-01T09:16:00+05:30 is earlier" in finding.detail


def test_files_that_overlap_are_out_of_order(tmp_path: Path) -> None:
    """Files that are sorted, but overlap, are reported as out of order."""
    folder = tmp_path / SYMBOL / "1minute"
    write_csv(folder / "1.csv", rows()[::2])
    second = write_csv(folder / "2.csv", rows()[1::2])
    bars = read(tmp_path)
    assert only(bars, Check.UNSORTED, Verdict.WARN).where == f"{second} line 2"
    assert table(bars).equals(good_table())


def test_many_faults_are_one_finding_that_counts_them(tmp_path: Path) -> None:
    """A check is reported once per symbol: all faults counted, the first ten named."""
    lines = [[f"2024-01-01 10:{minute:02}:00", "1", "1", "1", "abc", "1"] for minute in range(30)]
    path = written(tmp_path, [*rows(), *lines])
    finding = only(read(tmp_path), Check.BAD_CELL)
    assert (finding.count, finding.where) == (30, f"{path} line 7")
    assert f"; {path} line 16: close is 'abc', not a number; and 20 more" in finding.detail


def test_nothing_but_a_header_is_no_bars(tmp_path: Path) -> None:
    """A file with a header only rejects its symbol and is named."""
    path = written(tmp_path, [])
    bars = read(tmp_path)
    assert only(bars, Check.NO_BARS).where == str(path)
    assert len(bars.series) == 0


def test_zero_has_one_form() -> None:
    """A volume of -0.0 is stored as 0.0, so that repeated rows give the same bytes in any order."""
    numbers = np.array(VALUES, dtype=np.float64).T
    values = dict(zip(COLUMNS, numbers, strict=True))
    values["volume"] = -np.zeros(5)
    times = np.array([time.timestamp() * 1e6 for time in TIMES], dtype=np.int64)
    volume = clean(RawBars(times, values, str), ZONE).series.volume
    assert not np.signbit(volume).any()
