"""The grid of symbols and windows as compact rows, which the page draws on a canvas."""

import json
import statistics

from orchestrator.events.run_state import Cell, RunState, Stage, SymbolState
from schemas.config.target import LOSSES
from schemas.contract.task import Role

# A letter per stage; a blank where a symbol has no window that begins on the column's day.
LETTERS = {
    Stage.WAITING: ".", Stage.TEACHING: "t", Stage.TAUGHT: "T", Stage.STUDYING: "s", Stage.TRAINED: "#",
    Stage.SKIPPED: "-", Stage.FAILED: "x",
}  # fmt: skip
NO_WINDOW = " "


def grid(state: RunState) -> dict[str, str]:
    """Parts of a page: `grid`, the first days of all windows, and `row:SYMBOL`, each symbol's stages and skills.

    Skills are hundredths of a percent, null where a window has none.
    """
    columns = sorted({start for symbol in state.symbols.values() for start in symbol.cells})
    rows = {f"row:{name}": _row(state.symbols[name], columns) for name in sorted(state.symbols)}
    return {"grid": json.dumps(columns)} | rows


def _row(symbol: SymbolState, columns: list[str]) -> str:
    cells = [symbol.cells.get(start) for start in columns]
    stages = "".join(NO_WINDOW if cell is None else LETTERS[cell.stage] for cell in cells)
    skills = [None if cell is None else _hundredths(skill_percent(cell)) for cell in cells]
    return json.dumps([stages, skills], separators=(",", ":"))


def _hundredths(percent: float | None) -> int | None:
    return None if percent is None else round(100 * percent)


def skill_percent(cell: Cell) -> float | None:
    """How much lower a student's loss is than its base rate's or mean's, on bars it never saw; None without a score."""
    student = cell.pieces.get(Role.STUDENT)
    if student is None:
        return None
    key = next((each.key for each in LOSSES.values() if f"scored_{each.key}" in student.metrics), "")
    loss, prior = student.metrics.get(f"scored_{key}"), student.metrics.get(f"scored_prior_{key}")
    if not isinstance(loss, int | float) or not isinstance(prior, int | float) or not prior:
        return None
    return round(100.0 * (1.0 - loss / prior), 2)


def median_skill(symbol: SymbolState) -> float | None:
    """Median of a symbol's windows that have a skill, in percent."""
    skills = [skill for cell in symbol.cells.values() if (skill := skill_percent(cell)) is not None]
    return statistics.median(skills) if skills else None
