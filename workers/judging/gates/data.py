"""Gate `data`: whether enough of the run was scored."""

from collections import Counter
from collections.abc import Iterable, Iterator

from schemas.contract.artifact import RunRow
from schemas.contract.judgement import Criterion, Part
from schemas.contract.reason_words import tally
from schemas.contract.task import Role, Status
from schemas.contract.universe import Days
from schemas.contract.window import SkipReason
from schemas.files.run_files import read_rows
from schemas.files.universe import stored_universe
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least, not_computable, too_few_days
from workers.judging.gates.registry import gate

# Reasons that follow from where a symbol's bars, or its stays in the universe, begin and end; all others count as
# windows that were not scored.
NO_BARS = (SkipReason.NO_DATA, SkipReason.NOT_A_MEMBER, SkipReason.INSUFFICIENT_HISTORY)
# Gaps of a universe that a sentence names.
NAMED = 5


@gate("data", "Were nearly all windows that have bars scored, on enough days?")
def judge(evidence: Evidence) -> Findings:
    """Require a share of scored windows and a number of scored days. Files are checked when they are read."""
    settings, validation = evidence.settings, evidence.validation
    rows = read_rows(evidence.layout, Role.STUDENT)
    possible = [row for row in rows if not _has_no_bars(row, evidence.manifest.config.window_days)]
    lost = Counter(row.reason or "failed" for row in possible if row.status is not Status.SUCCESS)
    reasons = f"; the rest: {tally(dict(sorted(lost.items())))}" if lost else ""
    others = len(rows) - len(possible)
    share = at_least(
        "scored windows", validation.windows / len(possible), settings.min_scored_share,
        f"{validation.windows} of {len(possible)} windows that have bars were trained and scored{reasons};"
        f" {100 * settings.min_scored_share:g} % are needed;"
        f" {'1 other lies' if others == 1 else f'{others} others lie'} before a symbol's bars or"
        f" {'is' if others == 1 else 'are'} cut at the end date",
        part=Part.HARD, n=len(possible),
    )  # fmt: skip
    if why := too_few_days(validation.days, settings.min_days):
        days = not_computable("scored days", why, part=Part.HARD, n=validation.days)
    else:
        days = at_least(
            "scored days", validation.days, settings.min_days,
            f"{validation.rows:,} rows on {validation.days:,} days, {validation.first} to {validation.last}",
            part=Part.HARD, n=validation.days,
        )  # fmt: skip
    return Findings((share, days, *_universe(evidence)))


def _universe(evidence: Evidence) -> Iterator[Criterion]:
    """Whether the symbols that belong to the run's universe have bars on the days on which they do."""
    config, bars = evidence.manifest.config, evidence.manifest.bars
    if config.members is None or bars is None:
        return
    universe = stored_universe(evidence.layout.data_dir, config.members)
    belongs, lacks, where = 0, 0, []
    for symbol in universe.members(config.start_date, config.end_date):
        row = bars.symbols.get(symbol)
        ends = (row.first, row.last) if row is not None else None
        gaps = universe.lacking(symbol, ends, config.start_date, config.end_date)
        belongs += _length(universe.spans(symbol, config.start_date, config.end_date))
        lacks += _length(gaps)
        where += [f"{symbol} {since} to {until}" for since, until in gaps]
    named = ", ".join(where[:NAMED]) + (f" and {len(where) - NAMED} more" if len(where) > NAMED else "")
    missing = f"; not {named}" if named else ""
    yield at_least(
        "universe with bars", 1.0 - lacks / belongs if belongs else 0.0, 1.0,
        f"{belongs - lacks:,} of {belongs:,} days of its members are within their bars{missing}",
        n=belongs,
    )  # fmt: skip


def _length(spans: Iterable[Days]) -> int:
    return sum((until - since).days for since, until in spans)


def _has_no_bars(row: RunRow, window_days: int) -> bool:
    """Whether a window was skipped because it lies before its symbol's bars, or is a stub cut at the end date."""
    is_stub = (row.end - row.start).days < window_days
    return row.status is Status.SKIPPED and (row.reason in NO_BARS or is_stub)
