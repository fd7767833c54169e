"""The words of the audit: complete, and true of the statistics that they describe."""

from datetime import UTC, date, datetime, timedelta

import pytest

from orchestrator.audit.wording import (
    COSTS,
    STRONGEST,
    changed_bounds,
    costs_of,
    limits_of,
    survivorship_of,
    untrained_sentences,
    years_of,
)
from schemas.config.costs import Costs
from schemas.config.judgement import GateSettings
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import Coverage
from tests.known import coverage_of, table_of


def test_every_kind_of_costs_has_words() -> None:
    """A new kind without words would stop a run at its last phase."""
    assert set(COSTS) == set(Costs)
    assert costs_of(Costs.FLAT, 24.0) == "24 bps per round trip"


def test_a_changed_bound_is_named_with_its_default() -> None:
    """Settings that are the default get no sentence."""
    assert changed_bounds(GateSettings()) == []
    assert changed_bounds(GateSettings(min_days=20)) == [
        "The bound min_days was set to 20 for this run; the default is 60."
    ]


def test_symbols_without_a_trained_window_share_a_sentence_per_reason() -> None:
    """Terminal, report and briefing name them with the reasons of their windows."""
    untrained = {"FB": {"no_data": 15, "insufficient_history": 2}, "B": {"no_data": 3}, "A": {"no_data": 3}}
    assert untrained_sentences(untrained) == [
        "nothing trained for A, B: no bars on its days (3)",
        "nothing trained for FB: no bars on its days (15), too few earlier bars (2)",
    ]


def test_survivors_alone_are_a_warning() -> None:
    """A run without a universe whose symbols all reach its last day knows survivors alone; one that ended is enough."""
    days = [date(2022, 1, 3) + timedelta(days=n) for n in range(700)]
    whole, ended = coverage_of("A", days), coverage_of("B", days[:300])
    config = RunConfig(start_date=days[0], end_date=days[600], symbols=("A", "B"))

    def limits_and_warning(*rows: Coverage, **changes: str) -> tuple[str, str | None]:
        manifest = RunManifest(
            run_id="r", created=datetime.now(UTC), config=config.model_copy(update=changes), devices=(),
            bars=table_of(*rows), plan=(), versions={},
        )  # fmt: skip
        return limits_of(manifest, {"ok": 2, "warn": 0, "reject": 0})[2], survivorship_of(manifest)

    limit, warning = limits_and_warning(whole, coverage_of("B", days))
    assert "0 of 2 end before" in limit and warning is not None
    assert f"all 2 symbols reach {days[600]} and no universe" in warning and "give --universe FILE" in warning
    limit, warning = limits_and_warning(whole, ended)
    assert "1 of 2 end before" in limit and warning is None
    limit, warning = limits_and_warning(whole, members="0" * 64, universe="/index/nifty.csv")
    assert "as nifty.csv gives it" in limit and warning is None


def test_a_year_has_twelve_months_and_its_growth() -> None:
    """Months without a return are None; two of 10 % are 21 %; the largest month has the strongest colour."""
    (year, months, growth), (_, _, loss) = years_of({"2023-11": 10.0, "2023-12": 10.0, "2024-01": -5.0})
    assert (year, len(months), months[0], months[11]) == ("2023", 12, (None, 0.0), (10.0, STRONGEST))
    assert (growth, loss) == (pytest.approx(21.0), pytest.approx(-5.0))
    assert years_of({}) == [] and years_of({"2024-01": 0.0})[0][1][0] == (0.0, 0.0)
