"""The benchmark of what is learned: its figures, its tables, and one small world through the training itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learning import figures_of
from benchmarks.learning_figures import (
    BASE,
    DOCS,
    ORACLE,
    PAGE,
    PREDICTORS,
    STUDENT,
    TABLES,
    Figures,
    Score,
    filled,
    gain_of,
    groups,
    headline,
    ic_of,
    share,
    significant,
    skill,
    store,
    stored,
    table,
    taught_gain,
)  # fmt: skip
from benchmarks.markets import WORLDS
from benchmarks.train_windows import SETUPS


def figures(seed: int, loss: float, oracle: float = 0.6, ic: float = 0.1) -> Figures:
    """A world whose base rate has a log loss of 0.7."""
    scores = {name: Score(0.7, 0.0, 0.0, 0.0) for name in PREDICTORS}
    scores |= {ORACLE: Score(oracle, 0.01, ic, 0.01), STUDENT: Score(loss, 0.01, ic / 2, 0.02)}
    return Figures("world", "setup", seed, 100, 10, 0.5, 0.0, scores)


def test_a_share_is_the_improvement_over_the_oracle_s() -> None:
    """Sums over seeds are compared; the error is that of leaving out one seed after the other."""
    found = [figures(0, 0.65), figures(1, 0.675)]
    got = share(found, gain_of, STUDENT)
    assert got and (got.value, got.error) == pytest.approx((0.375, np.sqrt(0.5 * 2 * 0.125**2)))
    assert skill(found, STUDENT).value == pytest.approx(100.0 * (0.05 + 0.025) / 2 / 0.7)
    worth = taught_gain(found)
    assert (worth.value, worth.error) == pytest.approx((37.5, 12.5))
    of_ic = share(found, ic_of, STUDENT)
    assert of_ic and of_ic.value == pytest.approx(0.5)
    assert significant(found, STUDENT) == 2 and significant(found, BASE) == 0


def test_without_a_signal_there_is_no_share() -> None:
    assert share([figures(0, 0.7, oracle=0.69, ic=0.0)], gain_of, STUDENT) is None


def test_a_single_seed_has_the_error_of_its_days() -> None:
    assert skill([figures(0, 0.65)], STUDENT).error == pytest.approx(100.0 * 0.01 / 0.7)


def test_a_world_is_trained_and_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """In each setup the oracle is the best of all predictors over every row that the students score."""
    monkeypatch.setitem(WORLDS, "small", replace(WORLDS["reverting prices"], symbols=5, bars=460, ranked=True))
    for setup in SETUPS:
        found = figures_of("small", setup, 0)
        assert found.windows == 2 * (5 if "symbol" in setup else 1) and found.rows > 500
        assert found.gain(ORACLE) > max(found.gain(name) for name in PREDICTORS if name != ORACLE)
        assert found.scores[ORACLE].ic > 0.1


def test_figures_are_stored_and_read(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    store([figures(0, 0.65), figures(1, 0.66)], path)
    assert stored(path) == [figures(0, 0.65), figures(1, 0.66)]


def test_the_tables_of_the_docs_are_those_of_the_stored_figures() -> None:
    """Both pages hold what `--write` makes of docs/benchmarks/learning.json, which has known worlds and setups."""
    figures = stored()
    assert set(groups(figures)) <= {(world, setup) for world in WORLDS for setup in SETUPS}
    assert len(figures) > 0
    for path, content in ((TABLES, table(figures)), (PAGE, headline(figures))):
        text = path.read_text(encoding="utf-8")
        assert text == filled(text, content), f"{path.relative_to(DOCS)} is old: python -m benchmarks.learning --write"


def test_each_world_is_explained() -> None:
    """docs/benchmarks/learning.md has a row for each world."""
    page = TABLES.read_text(encoding="utf-8")
    assert not [name for name in WORLDS if f"\n| {name} | " not in page.partition("## Predictors")[0]]
