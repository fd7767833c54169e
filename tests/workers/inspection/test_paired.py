"""The difference of two scored runs on the same days, with its standard error."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.config.tuning import Objective
from schemas.contract.requests import PairedDifference, PairedQuestion
from schemas.files.layout import RunLayout
from workers.bars.series import Floats
from workers.inspection.paired import compare
from workers.scoring.ewc import Estimate, line_of, mean_of
from workers.scoring.log_loss import log_losses

DAYS = 40
FIRST = date(2024, 1, 1)


def write(data_dir: Path, run_id: str, p: Floats, daily: Floats, market: Floats, skip: int = 0) -> None:
    """Rows of two symbols per day, in another order per run, and daily returns."""
    layout = RunLayout.under(data_dir, run_id)
    layout.scored_rows.parent.mkdir(parents=True)
    day = [FIRST + timedelta(days=number) for number in range(DAYS)]
    order = np.random.default_rng(len(run_id)).permutation(2 * DAYS)[skip:]
    table = pa.table(
        {
            "symbol": ["A", "B"] * DAYS,
            "timestamp": pa.array(np.repeat(np.arange(DAYS), 2) * 86_400_000_000, pa.timestamp("us", tz="UTC")),
            "session": pa.array(np.repeat(np.array(day), 2)),
            "label": pa.array([1, 0] * DAYS, pa.int8()),
            "student": p,
        }
    )
    pq.write_table(table.take(order), layout.scored_rows)
    pq.write_table(pa.table({"day": day, "student": daily, "always long": market}), layout.daily_returns)


def asked(data_dir: Path, objective: Objective, other: str = "other") -> PairedDifference:
    return compare(PairedQuestion(data_dir=str(data_dir), run_id="one", other=other, objective=objective))


def test_differences_are_those_of_the_same_rows_and_days(tmp_path: Path) -> None:
    """Mean saving of log loss by day, and alpha of one book's returns less the other's; both with EWC errors."""
    rng = np.random.default_rng(1)
    p, q = rng.uniform(0.2, 0.8, (2, 2 * DAYS))
    returns, others, market = rng.normal(0, 0.01, (3, DAYS))
    write(tmp_path, "one", p, returns, market)
    write(tmp_path, "other", q, others, market)
    y = np.tile([1, 0], DAYS)
    saved = (log_losses(y, q) - log_losses(y, p)).reshape(DAYS, 2).mean(axis=1)
    cases: tuple[tuple[Objective, Estimate], ...] = (
        ("log-loss", mean_of(saved)),
        ("alpha", line_of(1e4 * (returns - others), 1e4 * market)[0]),
    )
    for objective, wanted in cases:
        found = asked(tmp_path, objective)
        assert found.days == DAYS
        assert found.difference == pytest.approx(wanted.value) and found.standard_error == pytest.approx(wanted.error)


def test_equal_runs_have_no_difference(tmp_path: Path) -> None:
    """Nothing is divided by an error of 0; a run whose scores are gone is named."""
    p, returns = np.full(2 * DAYS, 0.5), np.linspace(0, 1, DAYS)
    write(tmp_path, "one", p, returns, returns)
    write(tmp_path, "other", p, returns, returns)
    objectives: tuple[Objective, ...] = ("log-loss", "alpha")
    for objective in objectives:
        found = asked(tmp_path, objective)
        assert (found.days, found.difference, found.standard_error) == (DAYS, None, None)
    assert "is missing; restore it" in str(asked(tmp_path, "alpha", "none").error)
