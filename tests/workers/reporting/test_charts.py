"""Charts: numbers of few rows are marked, and every chart has a title."""

import re
from datetime import date
from typing import Any

import numpy as np
import vl_convert

from schemas.config.target import CLASS, LOSSES
from schemas.contract.artifact import RunRow
from schemas.contract.judgement import FEW_ROWS
from schemas.contract.task import Role, Status
from workers.reporting.charts import HATCHES, SKILL, equity, skill_by_window


def row(label: str, status: Status = Status.SUCCESS) -> RunRow:
    """A student of a symbol and window."""
    symbol, year = label.split("_")
    start = date(int(year), 1, 1)
    return RunRow(
        run_id="r", role=Role.STUDENT, window_label=label, symbol=symbol, start=start, end=start, status=status,
        reason="no_data" if status is Status.SKIPPED else None,
    )  # fmt: skip


def drawn(*counts: int) -> dict[str, Any]:
    """The heat map of a symbol's windows with so many rows each, and a skipped one."""
    labels = [f"TCS_{2000 + n}" for n in range(len(counts))]
    found = {label: {"rows": count, "log_loss_skill": 0.0123456} for label, count in zip(labels, counts, strict=True)}
    rows = [*map(row, labels), row("TCS_2020", Status.SKIPPED)]
    specification: dict[str, Any] = skill_by_window(rows, found, LOSSES[CLASS]).to_dict()
    return specification


def test_cells_of_few_rows_are_hatched_and_show_their_number() -> None:
    """Strokes lie on the cells below the bound alone; every cell's tooltip has its rows, with its skill in percent."""
    cells, _, *strokes = drawn(FEW_ROWS - 1, FEW_ROWS, 120)["layer"]
    assert [each["rows"] for each in cells["data"]["values"]] == [FEW_ROWS - 1, FEW_ROWS, 120]
    assert cells["data"]["values"][0][SKILL] == 1.23
    assert len(strokes) == HATCHES
    for stroke in strokes:
        assert [each["rows"] for each in stroke["data"]["values"]] == [FEW_ROWS - 1]
        assert "rows" in [tip["field"] for tip in stroke["encoding"]["tooltip"]]
    assert len(drawn(FEW_ROWS, 120)["layer"]) == 2


def test_strokes_cross_the_cell_from_edge_to_edge() -> None:
    """In the picture each stroke is a line as high as its cell, and they lie beside each other within its width."""
    picture = vl_convert.vegalite_to_svg(drawn(10, 120) | {"width": 300})
    assert picture.count('aria-roledescription="rule mark"') == HATCHES


def test_equity_is_compounded_and_cash_is_beside_it() -> None:
    """Two days of 10 % are 21 %; cash is a line at 0; the title is at the top, where a page takes it from."""
    chart: dict[str, Any] = equity(np.array([0, 1]), {"student": np.array([0.1, 0.1])}, "Net return").to_dict()
    cash, line = chart["layer"]
    assert chart["title"] == "Net return" and cash["data"]["values"] == [{"value": 0}]
    assert [each["value"] for each in line["data"]["values"]] == [10.0, 21.0]


def test_a_date_of_an_axis_has_its_year() -> None:
    """The picture of two years has labels such as `Jan 1971`; `October` beside `1971` would read as one date."""
    chart: Any = equity(np.arange(730), {"student": np.full(730, 1e-4)}, "Net return")
    picture = vl_convert.vegalite_to_svg(chart.to_dict() | {"width": 400})
    labels = re.findall(r">([A-Z][a-z]+)?( ?\d{4})?</text>", picture)
    assert ("Jan", " 1971") in labels and not [year for month, year in labels if bool(month) != bool(year)]
