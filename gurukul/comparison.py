"""Two judged runs beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """What differs between two judged runs; each frame has one column per run.

    `settings` has those that differ, `numbers` the scores and the trading of the students, `gates` the answer of each
    gate. `same_rows`: whether both scored the same rows, without which the numbers cannot be compared.
    `recommendation` maps each run to promote, hold or reject.
    """

    settings: pd.DataFrame
    numbers: pd.DataFrame
    gates: pd.DataFrame
    same_rows: bool
    recommendation: dict[str, str]

    def _repr_html_(self) -> str:
        rows = "the same rows" if self.same_rows else "different rows: days, symbols or labels differ"
        verdicts = ", ".join(f"{name}: {verdict}" for name, verdict in self.recommendation.items())
        tables = [each.to_html() for each in (self.settings, self.numbers, self.gates)]
        return "\n".join([f"<p>{verdicts}. The runs scored {rows}.</p>", *tables])
