"""Why a window was skipped or failed, in plain words, wherever a person reads it; files, JSON and TSV have the code."""

from collections.abc import Mapping

from schemas.contract.task import FailureClass
from schemas.contract.window import SkipReason

WORDS: dict[str, str] = {
    SkipReason.NO_DATA: "no bars on its days",
    SkipReason.NOT_A_MEMBER: "not in the universe",
    SkipReason.REJECTED_DATA: "bars rejected",
    SkipReason.MISSING_MAPPING: "symbol unknown to the source",
    SkipReason.INGEST_FAILED: "bars not readable",
    SkipReason.INSUFFICIENT_HISTORY: "too few earlier bars",
    SkipReason.INSUFFICIENT_FUTURE_DATA: "too few later bars",
    SkipReason.INSUFFICIENT_SAMPLES: "too few labelled rows",
    SkipReason.SINGLE_CLASS: "labels nearly all the same",
    SkipReason.CONSTANT_LABEL: "labels all of one value",
    SkipReason.PRUNED: "trial ended early",
    FailureClass.DATA: "data",
    FailureClass.TRANSIENT: "passing fault",
    FailureClass.BUG: "bug",
    FailureClass.OOM: "out of memory",
    FailureClass.TIMEOUT: "time limit",
    FailureClass.LOST: "process lost",
}


def words_for(reason: str | None) -> str:
    """A skip reason or a failure class in plain words; anything else as it is, and nothing for None."""
    return WORDS.get(reason or "", reason or "")


def tally(counts: Mapping[SkipReason, int] | Mapping[str, int]) -> str:
    """Reasons with how often each was met, most first: `no bars on its days (15), too few earlier bars (2)`."""
    found = sorted(counts.items(), key=lambda each: -each[1])
    return ", ".join(f"{words_for(reason)} ({count})" for reason, count in found)
