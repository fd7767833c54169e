"""Symbols that carry one another's bars: the same months, digest for digest, under two names."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

from schemas.quality import Check, Finding, Verdict

LEAST_MONTHS = 2


def same_series(months: Mapping[str, Mapping[str, str]]) -> dict[str, Finding]:
    """A finding for each symbol that shares half of the months that it has in common with another, two at least.

    `months`: symbol to month to digest of that month's prices.
    """
    owners: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for symbol, digests in months.items():
        for item in digests.items():
            owners[item].append(symbol)
    shared: defaultdict[tuple[str, str], int] = defaultdict(int)
    for symbols in owners.values():
        for pair in combinations(sorted(symbols), 2):
            shared[pair] += 1
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for (one, other), count in shared.items():
        common = len(months[one].keys() & months[other].keys())
        if count >= LEAST_MONTHS and 2 * count >= common:
            alike[one].append(other)
            alike[other].append(one)
    return {symbol: _finding(sorted(others), months[symbol]) for symbol, others in alike.items()}


def _finding(others: list[str], months: Mapping[str, str]) -> Finding:
    names = ", ".join(others)
    return Finding(
        check=Check.SAME_SERIES,
        verdict=Verdict.REJECT,
        count=len(others),
        where=min(months),
        detail=f"has the same prices as {names}; correct the source, or leave out all but one",
    )
