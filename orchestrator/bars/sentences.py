"""Sentences about a table of bars: symbols that are left out, and days that the calendar does not explain."""

from orchestrator.audit.wording import NAMED, some
from orchestrator.bars.coverage import findings_of
from schemas.contract.coverage import CoverageTable
from schemas.contract.quality import CALENDAR_CHECKS, Check, Finding, Verdict


def left_out(table: CoverageTable) -> list[str]:
    """Sentences that name the rejected symbols: one per finding, at most `NAMED`, then how many more there are."""
    found: dict[str, list[str]] = {}
    for row in table.rejected.values():
        found.setdefault(row.sentence, []).append(row.symbol)
    named = list(found.items())[:NAMED]
    sentences = [f"{some(symbols)} {'is' if len(symbols) == 1 else 'are'} left out: {why}" for why, symbols in named]
    more = len(table.rejected) - sum(len(symbols) for _, symbols in named)
    return sentences + ([f"and {more} more are left out; `ingest --validate-only` names all"] if more else [])


def calendar_doubts(bars: CoverageTable) -> list[str]:
    """Return a sentence per check that doubts the days or hours of bars: phantom bars, and those beyond a calendar."""
    found: dict[Check, tuple[Finding, list[str]]] = {}
    for finding, symbols in findings_of(bars):
        if finding.check in CALENDAR_CHECKS and finding.verdict is Verdict.WARN:
            found.setdefault(finding.check, (finding, []))[1].extend(symbols)
    return [f"bars: {some(names)}: {finding.sentence}" for finding, names in found.values()]
