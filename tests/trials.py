"""Generated trials, for tests of the ledger and of what it counts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from schemas.contract.trials import Trial

HERE = "/here/data"


def trial(number: int = 0, /, **changes: Any) -> Trial:
    """The scored trial of run `r<number>`, entered `number` hours after the first: by default the same trial again."""
    values = {
        "kind": "scored",
        "time": datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=number),
        "run_id": f"r{number}",
        "data_dir": HERE,
        "settings": "s",
        "code": "1",
        "symbols": ("A", "B"),
        "start_date": date(2022, 1, 1),
        "end_date": date(2024, 1, 1),
        "bars": "b",
        "bars_end": date(2024, 1, 31),
        "first": date(2022, 7, 1),
        "last": date(2024, 2, 1),
        "judged_until": date(2024, 1, 24),
    }
    return Trial(**(values | changes))
