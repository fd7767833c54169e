"""What decides a run's labels, and the sentence that describes it."""

from typing import Any

import pytest

from schemas.config import training
from schemas.config.label_identity import label_identity
from schemas.config.training import TrainingSettings
from tests.strategies import training_settings


def toy() -> TrainingSettings:
    """Settings with a kind of label that the project does not have."""
    return training_settings().model_copy(update={"label": "toy"})


@pytest.mark.parametrize(
    ("common", "changed", "same"),
    [
        ({}, {"label_return": "net"}, False),
        ({"label_return": "net"}, {"cost_bps": 30.0}, False),
        ({"label_return": "net"}, {"slippage_bps": 6.0}, False),
        ({}, {"cost_bps": 30.0}, True),
        ({}, {"label": "triple-barrier"}, False),
        ({"label": "triple-barrier"}, {"stop_loss": 2.5}, False),
        ({"label": "fixed"}, {"stop_loss": 2.5}, True),
        ({}, {"label": "rank"}, False),
        (
            {"label": "rank"},
            {"threshold": 0.5, "threshold_unit": "sigma", "label_return": "net", "cost_bps": 9.0},
            True,
        ),
        ({"label": "rank"}, {"features": "own"}, True),
        ({"label": "rank"}, {"horizon_bars": 6}, False),
        ({}, {"interval": "5minute"}, False),
        ({"interval": "5minute", "threshold_unit": "sigma"}, {"cross_session": True}, False),
        ({}, {"seed": 43, "distill_weight": 0.25}, True),
    ],
)
def test_labels_differ_where_a_setting_that_decides_them_does(
    common: dict[str, Any], changed: dict[str, Any], same: bool
) -> None:
    """A setting counts only where it decides a label: costs for net returns, barriers where there are some."""
    assert (
        label_identity(training_settings(**common)) == label_identity(training_settings(**common | changed))
    ) is same


def test_a_new_kind_of_label_has_its_own_identity() -> None:
    """It differs from every other kind, and its barriers count; without a sentence it is an error, not a wrong one."""
    others = [
        label_identity(training_settings(label=each, student="linear" if each == "return" else "logistic"))
        for each in training.LABEL_RULES
    ]
    assert label_identity(toy()) not in others
    assert label_identity(toy()) != label_identity(toy().model_copy(update={"take_profit": 7.0}))
    with pytest.raises(KeyError, match="toy"):
        _ = toy().label_rule


def test_rewording_the_sentence_changes_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are compared by settings, not by the sentence that describes them."""
    before, sentence = label_identity(training_settings()), training_settings().label_rule
    monkeypatch.setitem(training.LABEL_RULES, training_settings().label, lambda _: "other words")
    assert training_settings().label_rule == "other words" != sentence
    assert label_identity(training_settings()) == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"threshold_unit": "sigma", "threshold": 0.5, "entry": "close"},
            "a label is 1 where the gross return from the close to the close 5 bars after the decision exceeds 0.5"
            " times the volatility over 5 bars",
        ),
        (
            {"label": "rank", "threshold": 0.5},
            "a label is 1 where the return from the next open to the close 5 bars after the decision is above the"
            " median of the symbols decided at the same instant, of which there are at least 5",
        ),
        (
            {"label": "triple-barrier", "stop_loss": 2.0, "label_return": "net"},
            "a label is 1 where the price reaches the upper barrier first with a net return above 0, or neither barrier"
            " and the net return from the next open to the close 5 bars after the decision exceeds 0 %; the upper"
            " barrier is 1 times and the lower 2 times the volatility over 5 bars away from the next open",
        ),
    ],
)
def test_the_sentence_names_what_decides_a_label(changes: dict[str, Any], sentence: str) -> None:
    """Entry, horizon, threshold and barriers with their units; costs decide at a barrier only for net returns."""
    assert training_settings(**changes).label_rule == sentence
    assert " with a net return above 0" not in training_settings(label="triple-barrier").label_rule
