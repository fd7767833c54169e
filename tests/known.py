"""Generated coverage of bars that are not stored, for tests of planning."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from schemas.contract.coverage import Coverage, CoverageTable
from schemas.contract.quality import Verdict
from workers.bars.store import usual_days


def coverage_of(symbol: str, sessions: Sequence[date], bars_per_session: int = 1, **changes: Any) -> Coverage:
    """Coverage of bars on these days."""
    weekdays, special = usual_days(np.array([(day - date(1970, 1, 1)).days for day in sessions]))
    values = {
        "symbol": symbol,
        "interval": "1day",
        "bars": bars_per_session * len(sessions),
        "sessions": len(sessions),
        "sessions_expected": None,
        "gaps": (),
        "most_bars_a_session": bars_per_session,
        "weekdays": weekdays,
        "special_sessions": special,
        "first": sessions[0],
        "last": sessions[-1],
        "source": "csv:bars",
        "adjusted": False,
        "sha256": "0" * 64,
        "fetched": datetime(2025, 4, 1, tzinfo=UTC),
        "verdict": Verdict.OK,
        "findings": (),
    }
    return Coverage(**(values | changes))


def table_of(*rows: Coverage) -> CoverageTable:
    """`coverage.json` with these rows."""
    return CoverageTable(symbols={row.symbol: row for row in rows})
