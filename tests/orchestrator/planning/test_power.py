"""What a plan could show, and what is missing after a run."""

from datetime import date

import pytest

from orchestrator.planning.power import missing_years, power_sentences, years_needed
from orchestrator.planning.windows import plan
from schemas.config.run import RunConfig
from tests.known import coverage_of, table_of
from tests.orchestrator.planning.test_windows import mondays_to_fridays


@pytest.mark.parametrize(("ratio", "years"), [(1.0, 6.2), (1.5, 2.7), (2.0, 1.5)])
def test_years_as_published(ratio: float, years: float) -> None:
    """80 % power at 5 % needs (2.49 / Sharpe) squared years."""
    assert years_needed(ratio) == pytest.approx(years, abs=0.06)


def test_what_is_missing_is_in_years() -> None:
    """The sentence names the years at the present ratio; below 0 no number is enough."""
    assert "needs 6.19 years (80 % power), and 2 were judged: 4.19 more" in missing_years(1.0, 504, 252)
    assert "needs 129 years (80 % power), and 2 were judged: 127 more" in missing_years(0.219, 504, 252)
    assert "more days alone may not help" in missing_years(2.0, 504, 252)
    assert "will not help at the present rate: the information ratio is -0.5" in missing_years(-0.5, 504, 252)
    assert "the years that are missing are not known" in missing_years(None, 0, 252)


def test_a_plan_shows_what_it_could_find() -> None:
    """Scored days and symbols give the least Sharpe ratio and information coefficient that are found 8 times of 10."""
    known = table_of(*(coverage_of(name, mondays_to_fridays(date(2020, 1, 1), date(2024, 12, 31))) for name in "AB"))
    config = RunConfig.model_validate(
        {"source": "csv:x", "symbols": ("A", "B"), "start_date": "2021-01-01", "end_date": "2024-06-30"}
    )
    days, symbols, table = power_sentences(config, plan(config, known), known)
    assert "at most 900 days are scored, 3.57 years: they show a Sharpe ratio of 1.32 per year" in days
    assert "2 symbols at 5 bars are at most 101 independent decisions" in symbols and "coefficient of 0.131" in symbols
    assert "1 needs 6.19, 1.5 needs 2.75, 2 needs 1.55" in table
    _, nothing = power_sentences(config, plan(config, table_of()), table_of())
    assert "show nothing" in nothing
