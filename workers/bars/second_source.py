"""Finds bars stored under a wrong symbol: digests that reveal duplicate series, and a second source."""

from hashlib import sha256

import numpy as np

from schemas.contract.quality import Check, Finding, Verdict
from workers.bars.calendar import day_of
from workers.bars.series import Floats, Ints, Series

# Months with fewer bars may be equal by chance.
LEAST_MONTH_BARS = 5
DIGEST_CHARACTERS = 16

# Sources round and close differently; if they differ by more than a percentage point, one of them is wrong.
SAME_RETURN = 0.01
# A few bad days may be the other source's error; more than one in twenty mean another series.
DIFFERENT_SHARE = 0.05
# With fewer sessions, one bad day would decide the verdict.
LEAST_COMMON = 20


def month_digests(series: Series) -> dict[str, str]:
    """Map each month with enough bars, such as `2024-01`, to a digest of its sessions and prices.

    Every bit of a price counts. Digest unadjusted prices: an adjustment of one symbol would hide a duplicate.
    """
    months = series.session.astype("datetime64[D]").astype("datetime64[M]")
    begins = np.flatnonzero(np.append(len(months) > 0, months[1:] != months[:-1]))
    ends = np.append(begins, len(series))[1:]
    columns = [series.session.astype("<i8")]
    columns += [prices.astype("<f8") for prices in (series.open, series.high, series.low, series.close)]
    return {
        str(months[begin]): _digest(columns, slice(begin, end))
        for begin, end in zip(begins, ends, strict=True)
        if end - begin >= LEAST_MONTH_BARS
    }


def _digest(columns: list[Ints | Floats], rows: slice) -> str:
    digest = sha256()
    for values in columns:
        digest.update(values[rows].tobytes())
    return digest.hexdigest()[:DIGEST_CHARACTERS]


def second_source(series: Series, other: Series, name: str) -> list[Finding]:
    """Compare close-to-close returns over common sessions with those of the source `name`."""
    ours, theirs = _closes(series), _closes(other)
    days, mine, its = np.intersect1d(ours[0], theirs[0], assume_unique=True, return_indices=True)
    if len(days) < LEAST_COMMON:
        detail = f"has {len(days)} sessions in common with it, too few to compare; add the same days to {name}"
        return [_finding(Verdict.WARN, len(days), name, detail)]
    here, there = (values[1:] / values[:-1] - 1 for values in (ours[1][mine], theirs[1][its]))
    apart = np.flatnonzero(np.abs(here - there) > SAME_RETURN)
    if not len(apart):
        return []
    at = int(apart[0])
    day = str(day_of(days[at + 1]))
    detail = (
        f"{len(apart):,} of {len(days):,} sessions have another return in {name}, first {day} with {here[at]:+.2%} here"
        f" and {there[at]:+.2%} there; check which source is correct"
    )
    verdict = Verdict.REJECT if len(apart) / len(days) > DIFFERENT_SHARE else Verdict.WARN
    return [_finding(verdict, len(apart), day, detail)]


def _closes(series: Series) -> tuple[Ints, Floats]:
    """Sessions and their last close."""
    last = np.flatnonzero(np.append(np.diff(series.session) != 0, len(series) > 0))
    return series.session[last], series.close[last]


def _finding(verdict: Verdict, count: int, where: str, detail: str) -> Finding:
    return Finding(check=Check.SECOND_SOURCE, verdict=verdict, count=count, where=where, detail=detail)
