"""What a task hands back, or why there is nothing to hand back."""

from dataclasses import dataclass, field

from schemas.contract.task import Ingested, Metric
from schemas.contract.window import SkipReason


@dataclass(frozen=True)
class Result:
    """What a task hands back: numbers for people, digests for the audit, an artifact's key and the run it came from.

    With a `reason` the work is skipped, not done.
    """

    metrics: dict[str, Metric] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    reused_from: str | None = None
    ingested: Ingested | None = None
    reason: SkipReason | None = None
    message: str = ""


class Skip(Exception):
    """The window cannot be trained; carries the reason code and a sentence."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
