"""An independent check that a window's rows leak nothing. It does no arithmetic on splits; it marks bars.

It shares no code with the splits. Every instant that a forbidden row's span covers is marked; a fitted row that
touches a mark is a leak.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from schemas.contract.artifact import Certificate
from workers.bars.calendar import day_number, day_of
from workers.bars.series import Ints

MICROSECONDS_PER_DAY = 86_400 * 10**6
SHOWN = 3


@dataclass(frozen=True)
class Spans:
    """A window's rows as they are stored, one value per row in each array.

    `decided` and `ended` are microseconds since 1970, `ended_day` the session of the label's end in days since 1970;
    `part` is fit, purged or tail, `block` the number of the row's block; bit m of `fitted_by` is set if model m was
    fitted on the row.
    """

    decided: Ints
    ended: Ints
    ended_day: Ints
    part: Sequence[str]
    block: Ints
    fitted_by: Ints


def certify(label: str, end: date, spans: Spans, held_out: Sequence[Sequence[int]], features: list[str]) -> Certificate:
    """Check every row against every set that it must not touch. `features`: what `reads_ahead` found.

    `end` is the first day that is scored, `held_out[m]` the blocks that model m must not know.
    """
    violations = list(features)
    if not len(spans.decided):
        violations.append("there is no row")
    instants = np.unique(np.concatenate([spans.decided, spans.ended]))
    first, last = np.searchsorted(instants, spans.decided), np.searchsorted(instants, spans.ended)
    part = np.asarray(spans.part, dtype=object)

    def leaks(fitted: NDArray[np.bool_], forbidden: NDArray[np.bool_], what: str) -> int:
        steps = np.zeros(len(instants) + 1, dtype=np.int64)
        np.add.at(steps, first[forbidden], 1)
        np.add.at(steps, last[forbidden] + 1, -1)
        # Marked instants before each one: a span that holds a mark has more of them at its end than before it.
        marks = np.concatenate([[0], np.cumsum(np.cumsum(steps)[:-1] > 0)])
        found = np.flatnonzero(fitted & (marks[last + 1] > marks[first]))
        violations.extend(f"the row decided {_shown(spans.decided[row])} {what}" for row in found[:SHOWN])
        if len(found) > SHOWN:
            violations.append(f"{len(found) - SHOWN} more rows {what}")
        return int(fitted.sum())

    checked = leaks(part == "fit", part == "tail", "was fitted and its label reaches the tail")
    for number, blocks in enumerate(held_out):
        seen = spans.fitted_by >> number & 1 == 1
        names = " and ".join(map(str, blocks))
        checked += leaks(
            seen, np.isin(spans.block, list(blocks)), f"was fitted by a model that judges block {names}, and touches it"
        )
    late = np.flatnonzero(spans.ended_day >= day_number(end))
    violations += [
        f"the row decided {_shown(spans.decided[row])} has a label that ends on a scored day" for row in late
    ]
    return Certificate(
        window_label=label, rows=len(spans.decided), models=len(held_out) + 1, spans_checked=checked + len(part),
        violations=tuple(violations),
    )  # fmt: skip


def _shown(instant: int) -> date:
    return day_of(int(instant) // MICROSECONDS_PER_DAY)
