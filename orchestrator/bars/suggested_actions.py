"""Corporate actions that jumps of prices suggest, as a file to be checked and then used."""

import csv
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from orchestrator.bars.coverage import findings_of
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import RequestError
from schemas.files.atomic import write_atomic

FIELDS = ("symbol", "ex_date", "action", "ratio")


def suggested_actions(table: CoverageTable) -> list[str]:
    """Every suggested line, such as `BPCL,2024-06-21,split,2:1`, in order."""
    return sorted({line for finding, _ in findings_of(table) for line in finding.actions})


def write_actions(path: Path, table: CoverageTable, known: str | None) -> int:
    """Write suggested actions after those of the file `known`, if there is one; returns how many were added.

    RequestError if the file cannot be written.
    """
    lines = suggested_actions(table)
    before = Path(known).read_text(encoding="utf-8-sig").rstrip("\n") if known else ",".join(FIELDS)
    note = ["# Suggested by jumps of prices: check each line, and remove those that are no split or bonus."]
    try:
        write_atomic(
            path, "\n".join([before, *(note if lines else []), *_in_order(_header(before), lines), ""]).encode()
        )
    except OSError as error:
        raise RequestError(f"--write-actions {path} cannot be written: {error.strerror}; choose another file") from None
    return len(lines)


def _header(text: str) -> list[str]:
    rows = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return [cell.strip().lower() for cell in next(csv.reader([next(rows)]))]


def _in_order(header: list[str], lines: Iterable[str]) -> list[str]:
    """The lines with their cells in the header's order; columns of its own stay empty."""
    text = StringIO()
    rows = (dict(zip(FIELDS, line.split(","), strict=True)) for line in lines)
    csv.DictWriter(text, header, restval="", lineterminator="\n").writerows(rows)
    return text.getvalue().splitlines()
