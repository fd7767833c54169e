"""Data frames of the API."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import gurukul
from gurukul.frames import predictions_frame
from schemas.contract.release import Prediction, Predictions, Refusal
from schemas.contract.task import Role, Status
from schemas.files.run_files import read_rows, write_rows
from tests.workers.judging.runs import stored_run

NEWEST = {
    "symbol": "A", "bar": datetime(2024, 1, 2, tzinfo=UTC), "session": date(2024, 1, 2), "trade_above": None,
    "trade": False, "weight": 0.0, "window": "A_x", "in_sample": False, "unseen": False, "release_id": "r",
}  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1])
def test_predictions_have_the_same_columns_and_types_whatever_is_scored(rows: int) -> None:
    """An instant is in UTC, a day without a zone, also where every symbol is refused."""
    scored = (Prediction(**NEWEST, probability=0.6),) * rows
    frame = predictions_frame(Predictions(predictions=scored, refused=(Refusal(symbol="B", reason="stale"),)))
    assert frame["bar"].dtype == "datetime64[us, UTC]"
    assert frame["session"].dtype == "datetime64[us]"
    assert frame["probability"].tolist() == [0.6] * rows
    assert frame.attrs["refused"] == {"B": "stale"}
    assert ("value" in frame) is not bool(rows)


def test_a_run_without_a_student_has_no_predictions(tmp_path: Path) -> None:
    """An empty frame would have no columns."""
    layout = stored_run(tmp_path, symbols=1, days=250)
    run = gurukul.open_run(layout.folder.name, data_dir=tmp_path)
    assert len(run.predictions())
    rows = [row.model_copy(update={"status": Status.SKIPPED}) for row in read_rows(layout, Role.STUDENT)]
    write_rows(layout, Role.STUDENT, rows)
    with pytest.raises(gurukul.GurukulError, match="judged trained no student"):
        run.predictions()
