"""A window is looked up by its label."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.requests import WindowQuestion
from schemas.contract.window import PlannedWindow, SkipReason, Window
from workers.inspection.run_lookup import window_of

DAYS = [date(2022, 1, 1), date(2022, 6, 30), date(2022, 12, 27), date(2023, 6, 25)]


def found(label: str, **scopes: Any) -> str:
    """Label of the window that is found in a run of two windows of A and B, of which A's second is skipped."""
    plan = tuple(
        PlannedWindow(
            window=Window(symbol=symbol, start=start, end=end, score_end=score_end),
            skip=SkipReason.NO_DATA if (symbol, start) == ("A", DAYS[1]) else None,
            detail="bars run from 2021-01-01 to 2022-06-01",
        )
        for symbol in "AB"
        for start, end, score_end in zip(DAYS, DAYS[1:], DAYS[2:], strict=False)
    )
    config = RunConfig(source="csv:bars", start_date=DAYS[0], end_date=DAYS[2], **scopes)
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), config=config, devices=(), plan=plan, versions={}, bars=None
    )
    return window_of(WindowQuestion(data_dir="data", run_id="r", label=label), manifest).label


def test_a_panel_s_window_and_those_of_its_symbols_are_found() -> None:
    """A panel's student is shown whole, or for one of its symbols."""
    for label in ("PANEL_2022-06-30_to_2022-12-27", "B_2022-06-30_to_2022-12-27"):
        assert found(label, scope="panel") == label


def test_an_unknown_label_gets_the_nearest_that_was_trained() -> None:
    """A mistyped day leads to a window of the same symbol, and to none that was skipped."""
    with pytest.raises(
        RequestError, match="no window A_2022-06-30_to_2022-12-28; the nearest label is A_2022-01-01_to"
    ):
        found("A_2022-06-30_to_2022-12-28")
    with pytest.raises(RequestError, match="A_2022-06-30_to_2022-12-27 was not trained: no bars on its days"):
        found("A_2022-06-30_to_2022-12-27")


def test_a_panel_s_teacher_alone_is_no_window_of_its_own() -> None:
    """With students of single symbols, a label of all symbols leads to one of them."""
    with pytest.raises(RequestError, match=r"no window PANEL_\S+; the nearest label is [AB]_2022-01-01"):
        found("PANEL_2022-01-01_to_2022-06-30", scope="panel", student_scope="symbol")
