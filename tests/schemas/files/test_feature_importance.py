"""The file of a teacher's feature importances is read as it was written, and damage is named."""

from pathlib import Path

import pytest

from schemas.contract.errors import FileError
from schemas.files.feature_importance import encode, read
from schemas.files.layout import FEATURE_IMPORTANCE


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Shares keep every digit, and features the order of their rank."""
    rows = [("return_5", 2 / 3, 1), ("rsi_14", 1 / 3, 2), ("atr_14", 0.0, 3)]
    (tmp_path / FEATURE_IMPORTANCE).write_text(encode(rows), encoding="utf-8")
    assert list(read(tmp_path).items()) == [(feature, share) for feature, share, _ in rows]


@pytest.mark.parametrize(
    "text", ["feature,gain\nreturn_5,1.0\n", "feature,importance\nreturn_5,much\n", "feature,importance\nx\n"]
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    """Another header, a share that is no number and a short line are errors that name the file."""
    (tmp_path / FEATURE_IMPORTANCE).write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=f"{FEATURE_IMPORTANCE} is damaged"):
        read(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error names the file that is missing."""
    with pytest.raises(FileError, match=f"{FEATURE_IMPORTANCE} is missing"):
        read(tmp_path)
