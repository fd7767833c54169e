"""Time zone and calendar of a run's bars: what their ingestion recorded or, before it, what it will record."""

from schemas.config.bars import BarsConfig
from schemas.config.sources import SOURCES
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import RequestError


def zone_of(config: BarsConfig, known: CoverageTable | None) -> str:
    """The time zone of the bars' days: of stored bars theirs, else that of the source, or of its timestamps."""
    rows = known.symbols.values() if known is not None else ()
    zones = {row.timezone or _zone_of_source(row.source) or config.timezone for row in rows}
    if not zones:
        return _zone_of_source(config.source) or config.timezone
    return zones.pop() if len(zones) == 1 else config.timezone


def calendar_of(config: BarsConfig, known: CoverageTable | None) -> str:
    """The calendar that was given, or that of the stored bars; without them the one that `auto` stands for."""
    stored = {row.calendar for row in known.symbols.values()} if known is not None else set()
    is_known = config.calendar == "auto" and len(stored) == 1 and "" not in stored
    return stored.pop() if is_known else config.resolved_calendar


def refuse_other_zone(config: BarsConfig, known: CoverageTable) -> None:
    """RequestError if --timezone was given, and stored bars have their days in another zone."""
    for row in known.symbols.values():
        if "timezone" in config.model_fields_set and row.timezone not in ("", config.timezone):
            raise RequestError(
                f"--timezone {config.timezone}: the stored bars of {row.symbol} have their days in {row.timezone};"
                " leave --timezone out, or ingest them again with it"
            )


def _zone_of_source(source: str) -> str | None:
    kind = SOURCES.get(source.partition(":")[0])
    return kind.timezone if kind is not None else None
