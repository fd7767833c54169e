"""What a judgement comes to, in the words and figures that every report of a run shows."""

from schemas.contract.base import Frozen
from schemas.contract.judgement import Recommendation


class Figure(Frozen):
    """A number that was estimated: its text, its 95 % interval, and what they mean.

    `number`, `low`, `high` and `bound`: the same in the unit of the text, None where it cannot be computed.
    """

    name: str
    text: str
    interval: str
    meaning: str
    number: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float = 0.0

    @property
    def headline(self) -> str:
        """The text with its interval, where there is one."""
        return self.text if self.number is None else f"{self.text}, {self.interval}"


class Earned(Frozen):
    """What a strategy would have earned after costs, as texts."""

    name: str
    growth: str
    a_year: str
    worst_fall: str
    sharpe: str


class Conclusion(Frozen):
    """The judgement of a run for the person who decides.

    `sentence`: what decides; `advice`: what to do next. `span`: days and years that `earned` is of. `sureness`: alpha,
    and the gain of the predictions. `changes`: what would change the verdict; `next_steps`: commands, the last one
    follows from the verdict. `alerts`: faults that put all numbers in doubt. `warnings`: all else that was found.
    `basis`: what the numbers rest on.
    """

    recommendation: Recommendation
    sentence: str
    advice: str
    span: str
    earned: tuple[Earned, ...]
    sureness: tuple[Figure, ...]
    changes: tuple[str, ...]
    next_steps: tuple[str, ...]
    alerts: tuple[str, ...]
    warnings: tuple[str, ...]
    basis: tuple[str, ...]
