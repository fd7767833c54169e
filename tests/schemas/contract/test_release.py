"""What a release states of itself."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from schemas.contract.release import Prediction, Release, Served

STUDENT = Served(
    folder="PANEL", window="PANEL_2022-01-01_to_2022-06-30", start=date(2022, 1, 1), end=date(2022, 6, 30),
    metadata_sha256="", sha256={},
)  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "serves"),
    [({}, False), ({"unseen": STUDENT}, True), ({"unseen": STUDENT, "panel": ("A", "B", "C", "D", "E")}, False)],
)
def test_a_panel_that_compares_its_symbols_serves_no_other(parts: dict[str, Any], serves: bool) -> None:
    """The model card offers other symbols only where `predict` does not refuse them."""
    assert Release.model_construct(**parts).serves_unseen is serves


@pytest.mark.parametrize("numbers", [{}, {"probability": 0.5, "value": 0.01}])
def test_a_prediction_is_a_probability_or_a_value(numbers: dict[str, float]) -> None:
    """Never both, and never none."""
    bar = datetime(2024, 1, 1, tzinfo=UTC)
    facts: dict[str, Any] = {
        "symbol": "TCS", "bar": bar, "session": bar.date(), "trade_above": None, "trade": False, "weight": None,
        "window": "", "in_sample": False, "unseen": False, "release_id": "",
    }  # fmt: skip
    assert Prediction(**facts, value=0.01).predicted == 0.01
    with pytest.raises(ValueError, match="of TCS has either a probability or a value"):
        Prediction(**facts, **numbers)
