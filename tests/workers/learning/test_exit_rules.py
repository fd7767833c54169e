"""Exit rules: a registered rule labels bars and trains a window; only the setting's type lists its name, too."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from schemas.contract.window import Window
from tests.strategies import daily_walk, training_settings
from tests.workers.learning.targets import counts_for
from workers.learning.exit_rules import EXIT_RULES, Exits, Trades, at_horizon, exit_rule
from workers.learning.history import prepare
from workers.learning.labels import label
from workers.learning.window import fit_window_teacher

WINDOW = Window(symbol="A", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))


@pytest.fixture
def next_close() -> Iterator[str]:
    """A rule that is registered for one test: every trade ends at the next close."""

    @exit_rule("next-close", needs_volatility=False)
    def at_next_close(trades: Trades) -> Exits:
        return replace(at_horizon(trades), bar=trades.t0 + 1, price=trades.series.close[trades.t0 + 1])

    yield "next-close"
    del EXIT_RULES["next-close"]


def test_a_registered_rule_labels_and_trains(next_close: str) -> None:
    """The setting `label` selects the rule: labels end by it, and a teacher is trained and certified on them."""
    # The schema's list of labels is the second place that a new rule is added to.
    settings = training_settings(horizon_bars=3, entry="close").model_copy(update={"label": next_close})
    series = daily_walk(520)
    labels = label(series, settings)
    assert (labels.t1 == labels.t0 + 1).all() and len(labels) == len(series) - 3
    assert labels.forward_return.tolist() == (series.close[labels.t1] / series.close[labels.t0] - 1.0).tolist()
    histories = {"A": prepare(series, settings)}
    trained = fit_window_teacher(histories, WINDOW, settings, counts_for(histories, WINDOW, settings), "cpu")
    assert trained.certificate.violations == ()
    assert trained.sample.y.tolist() == labels.y[trained.sample.row].tolist()


def test_a_name_belongs_to_one_rule(next_close: str) -> None:
    """A second rule of the same name is refused."""
    with pytest.raises(ValueError, match="'next-close' is already registered"):
        exit_rule(next_close, needs_volatility=True)(at_horizon)
