"""Finds symbols that have the same bars under two names, by the digests of their months."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

from schemas.contract.quality import Check, Finding, Verdict

LEAST_MONTHS = 2


def same_series(months: Mapping[str, Mapping[str, str]]) -> dict[str, Finding]:
    """Find symbols that have the same bars as another in at least half of their common months, and in at least two.

    `months`: symbol to month to digest of that month's prices.
    """
    owners: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for symbol, digests in months.items():
        for item in digests.items():
            owners[item].append(symbol)
    shared: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (month, _), symbols in owners.items():
        for pair in combinations(sorted(symbols), 2):
            shared[pair].append(month)
    matches: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for (one, other), same in shared.items():
        common = len(months[one].keys() & months[other].keys())
        if len(same) >= LEAST_MONTHS and 2 * len(same) >= common:
            matches[one][other] = matches[other][one] = min(same)
    return {symbol: _finding(others) for symbol, others in matches.items()}


def _finding(others: Mapping[str, str]) -> Finding:
    """`others`: symbol to the first month that is the same."""
    names = ", ".join(sorted(others))
    return Finding(
        check=Check.SAME_SERIES,
        verdict=Verdict.REJECT,
        count=len(others),
        where=min(others.values()),
        detail=f"has the same prices as {names}; correct the source, or leave out all but one",
    )
