"""The words of the audit: complete, and true of the statistics that they describe."""

from orchestrator.audit.wording import COSTS, changed_bounds, costs_of, untrained_sentences
from schemas.config.costs import Costs
from schemas.config.judgement import GateSettings


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
        "nothing trained for A, B: 3 no_data",
        "nothing trained for FB: 15 no_data, 2 insufficient_history",
    ]
