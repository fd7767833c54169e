"""The file `feature_importance.csv` of a teacher: each feature's share of the gain of all splits."""

import csv
from collections.abc import Iterable
from pathlib import Path

from schemas.contract.errors import FileError
from schemas.files.layout import FEATURE_IMPORTANCE


def encode(rows: Iterable[tuple[str, float, int]]) -> str:
    """Return the file's text for rows of feature, share between 0 and 1, and rank from 1."""
    lines = (f"{feature},{share!r},{rank}" for feature, share, rank in rows)
    return "\n".join(["feature,importance,rank", *lines]) + "\n"


def read(teacher: Path) -> dict[str, float]:
    """Read the share of each feature from a teacher's folder, in the file's order, which is by rank.

    FileError if the file is missing or damaged.
    """
    path = teacher / FEATURE_IMPORTANCE
    try:
        rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
        return {row["feature"]: float(row["importance"]) for row in rows}
    except FileNotFoundError:
        raise FileError(f"{path} is missing; restore it, or resume its run") from None
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is damaged ({error!r}); restore it, or resume its run") from None
