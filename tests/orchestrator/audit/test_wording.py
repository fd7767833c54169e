"""The words of the audit: complete, and true of the statistics that they describe."""

import pytest

from orchestrator.audit.wording import COSTS, MEANING, TOO_LITTLE, changed_bounds, costs_of, meaning_of
from schemas.config.costs import Costs
from schemas.config.judgement import GateSettings
from schemas.contract.judgement import DECIDING, Criterion, Gate, Part, Recommendation, Ruling, Statistics


def statistics_with(*criteria: Criterion) -> Statistics:
    """Statistics of one gate with these criteria."""
    gate = Gate(name="skill", question="?", criteria=criteria, inputs={})
    return Statistics(
        run_id="r", seed=1, settings=GateSettings(), trials=1, gates=(gate,), symbols={}, passing=(), inputs={}
    )


def test_every_recommendation_and_every_kind_of_costs_has_words() -> None:
    """A new kind without words would stop a run at its last phase."""
    assert set(MEANING) == set(Recommendation) and set(COSTS) == set(Costs)
    assert costs_of(Costs.FLAT, 24.0) == "24 bps per round trip"


@pytest.mark.parametrize("part", Part)
def test_only_a_deciding_test_that_cannot_be_computed_replaces_the_meaning(part: Part) -> None:
    """A test that warns or informs does not change what a hold means; a reject has its own reason."""
    criterion = Criterion(name="x", part=part, ruling=Ruling.NOT_COMPUTABLE, reason="not computable: 3 days")
    expected = TOO_LITTLE if part in DECIDING else MEANING[Recommendation.HOLD]
    assert meaning_of(Recommendation.HOLD, statistics_with(criterion)) == expected
    assert meaning_of(Recommendation.REJECT, statistics_with(criterion)) == MEANING[Recommendation.REJECT]


def test_a_changed_bound_is_named_with_its_default() -> None:
    """Settings that are the default get no sentence."""
    assert changed_bounds(GateSettings()) == []
    assert changed_bounds(GateSettings(min_days=20)) == [
        "The bound min_days was set to 20 for this run; the default is 60."
    ]
