"""The result of a task that did not fail."""

from dataclasses import dataclass, field

from schemas.contract.task import Ingested, Metric
from schemas.contract.window import SkipReason


@dataclass(frozen=True)
class Result:
    """Return value of a task: metrics, file digests for the audit, and an artifact's key and donor run if reused.

    With a `reason` the work was skipped, and `message` explains it.
    """

    metrics: dict[str, Metric] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    reused_from: str | None = None
    ingested: Ingested | None = None
    reason: SkipReason | None = None
    message: str = ""
