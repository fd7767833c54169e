"""What a release states of itself."""

from datetime import date
from typing import Any

import pytest

from schemas.contract.release import Release, Served

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
