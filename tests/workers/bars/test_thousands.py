"""Thousands in the numbers of any file are read, in every row, and nothing that may be another number."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.quality import Check
from tests.strategies import examples
from tests.workers.bars.files import SYMBOL, read
from workers.bars.files.columns import grouped_number, number
from workers.bars.raw_bars import CleanBars

PLAIN = ("999.5", "1000.25", "998", "999.75", "1234567")


def daily(folder: Path, rows: list[tuple[str, ...]], delimiter: str = ",") -> CleanBars:
    """Daily bars of a file with these cells after the date, quoted where needed."""
    lines = [delimiter.join(("date", "open", "high", "low", "close", "volume"))]
    for day, row in enumerate(rows):
        cells = [f"2024-{1 + day // 28:02}-{1 + day % 28:02}", *row]
        lines.append(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in cells))
    (folder / f"{SYMBOL}.csv").write_text("\n".join(lines) + "\n")
    return read(folder, interval="1day")


@pytest.mark.parametrize("before", [0, 11, 40])
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("1,234.50", "1,240.00", "1,230.05", "1,235", "1,523,411"), (1234.5, 1240.0, 1230.05, 1235.0, 1523411.0)),
        (("1,23,456.00", "1,24,000.50", "99,999", "1,23,500.00", "12,34,567"), (123456.0, 124000.5, 99999.0, 123500.0,
         1234567.0)),
        (("999.95", "1,002", "998", "1,000", "1,234"), (999.95, 1002.0, 998.0, 1000.0, 1234.0)),
        (("1234.5", "1240", "1230", "1235", "1,234"), (1234.5, 1240.0, 1230.0, 1235.0, 1234.0)),
        (("1,234,567.5", "1,234,568", "1,234,566", "1,234,567", "0"), (1234567.5, 1234568.0, 1234566.0, 1234567.0,
         0.0)),
    ],
)  # fmt: skip
def test_quoted_thousands_are_read_from_any_row_on(
    tmp_path: Path, row: tuple[str, ...], expected: tuple[float, ...], before: int
) -> None:
    """Also where the price passes 1,000 long after the first rows, and as they are written in India."""
    bars = daily(tmp_path, [PLAIN] * before + [row])
    assert bars.findings == []
    assert tuple(getattr(bars.series, name)[-1] for name in ("open", "high", "low", "close", "volume")) == expected


def test_whole_thousands_are_read_if_the_file_has_a_decimal_point_anywhere(tmp_path: Path) -> None:
    """`1,234` alone may be a decimal comma; a point in another row shows that it is not."""
    whole = ("1,234", "1,240", "1,230", "1,235", "10")
    assert daily(tmp_path, [whole, PLAIN]).series.close.tolist() == [1235.0, 999.75]
    alone = daily(tmp_path, [whole, whole])
    assert [finding.check for finding in alone.findings] == [Check.BAD_CELL]
    assert "close is '1,235', not a number" in alone.findings[0].detail


def test_decimal_commas_after_thousands_are_read(tmp_path: Path) -> None:
    """As in Germany, beside semicolons; a volume of `1.234` is a thousand and not one and a fraction."""
    row = ("1.234,50", "1.240,00", "998,5", "1.235,25", "1.234")
    bars = daily(tmp_path, [row, ("999,5", "1.000,25", "998", "999,75", "1.234.567")], ";")
    assert bars.findings == []
    assert bars.series.open.tolist() == [1234.5, 999.5] and bars.series.low.tolist() == [998.5, 998.0]
    assert bars.series.volume.tolist() == [1234.0, 1234567.0]


@pytest.mark.parametrize("text", ["1,5", "1,23", "12,3456.0", "1,2,3.0", ",123.0", "1,,234.0", "1_000", "", "1,234"])
def test_what_may_be_another_number_is_none(text: str) -> None:
    """Groups of other lengths, and one comma without a point."""
    assert number(text) is None


@examples(200)
@given(st.integers(1000, 10**12), st.integers(0, 99))
def test_numbers_survive_both_ways_of_grouping(whole: int, cents: int) -> None:
    """A number as most countries and as India write it is that number."""
    head, tail = str(whole)[:-3], str(whole)[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)][::-1]
    expected = float(f"{whole}.{cents:02}")
    for text in (f"{whole:,}.{cents:02}", f"{','.join([*pairs, tail])}.{cents:02}"):
        assert number(text) == number(f" {text} ") == expected
        assert grouped_number(text.partition(".")[0]) == np.float64(whole)
