"""Measures what is learned as a share of what can be known: worlds whose best possible predictor is known.

    python -m benchmarks.learning --worlds "reverting prices" regimes --seeds 8 --write
    python -m benchmarks.learning --small            # two worlds, one seed, under a minute

Features, labels, windows, teachers and students are the project's own, in this process instead of a fleet. With
`--write` the figures replace those of the same worlds and setups in docs/benchmarks, and the tables are made anew.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.learning_figures import (
    BASE,
    ORACLE,
    PREDICTORS,
    STUDENT,
    Figures,
    Score,
    headline,
    store,
    stored,
    update_docs,
)
from benchmarks.markets import WORLDS, Market, World
from benchmarks.train_windows import SETUPS, settings_of, students_of, windows_of
from schemas.config.training import TrainingSettings
from workers.bars.series import Floats, Ints
from workers.learning.history import History, prepare_panel
from workers.learning.window_student import TrainedStudent
from workers.scoring.constancy import is_constant
from workers.scoring.ewc import mean_of
from workers.scoring.log_loss import daily_means, log_loss, log_losses
from workers.scoring.ranking import by_instant

STEP_DAYS = 90
SMALL = ("reverting prices", "regimes")


@dataclass(frozen=True)
class Scores:
    """Scored rows of one world, one value per row in each array; `predicted` has the probabilities by predictor."""

    day: Ints
    y: Floats
    forward_return: Floats
    predicted: Mapping[str, Floats]


def score_world(world: World, setup: str, seed: int) -> tuple[Scores, list[TrainedStudent]]:
    """Train every window of one generated world, and score the bars after each."""
    rng = np.random.default_rng(seed)
    market = world.market(rng, world.symbols, world.bars)
    settings = settings_of(market, setup, privileged=world.privileged)
    histories = prepare_panel(market.bars, settings)
    if world.relabel is not None:
        histories = {symbol: world.relabel(history, rng) for symbol, history in histories.items()}
    oracle = _oracle(world, market, settings)
    students = [
        (window, student)
        for together in windows_of(market, STEP_DAYS)
        for window, student in students_of(histories, together, settings)
    ]
    rows = [_scored(histories, oracle, student) for _, student in students]
    return _together(rows), [student for _, student in students]


def _oracle(world: World, market: Market, settings: TrainingSettings) -> dict[str, Floats]:
    """The probability of label 1 by symbol, one value per bar."""
    chance = market.rank if settings.label == "rank" else market.absolute
    if chance is None:
        raise ValueError("the probabilities of rank labels are not known in this world")
    if world.oracle is not None:
        closes = np.stack([np.log(series.close / 100.0) for series in market.bars.values()], axis=1)
        chance = world.oracle(chance, closes)
    return dict(zip(market.bars, chance.T, strict=True))


def _scored(histories: Mapping[str, History], oracle: Mapping[str, Floats], student: TrainedStudent) -> Scores:
    rows, many = student.scored, len(student.y)
    day = np.empty(many, dtype=np.int64)
    returned, chance = np.empty((2, many))
    for place, symbol in enumerate(rows.symbols):
        mine, history = rows.member == place, histories[symbol]
        t0 = history.labels.t0[rows.row[mine]]
        day[mine] = history.series.session[t0]
        returned[mine], chance[mine] = history.labels.forward_return[rows.row[mine]], oracle[symbol][t0]
    predicted = {
        "oracle": chance,
        "base rate": student.prior,
        "window share": student.window_share,
        "alone": student.scored_alone,
        "student": student.scored_student,
        "teacher": student.scored_teacher,
    }
    return Scores(day, student.y.astype(np.float64), returned, predicted)


def _together(parts: list[Scores]) -> Scores:
    day = np.concatenate([each.day for each in parts])
    y, returned = (np.concatenate([getattr(each, name) for each in parts]) for name in ("y", "forward_return"))
    predicted = {name: np.concatenate([each.predicted[name] for each in parts]) for name in PREDICTORS}
    return Scores(day, y, returned, predicted)


def fits(world: str, setup: str) -> bool:
    """Whether a world is measured in a setup: rank labels only where their probabilities are known."""
    return WORLDS[world].ranked or SETUPS[setup].get("label") != "rank"


def figures_of(name: str, setup: str, seed: int) -> Figures:
    """Train and score one world in one setup."""
    scores, students = score_world(WORLDS[name], setup, seed)
    taught = [each.fitted.taught for each in students]
    flat = [each.fitted.shrinkage.factor == 0.0 for each in students]
    return Figures(
        name, setup, seed, len(scores.y), len(students), float(np.mean(taught)), float(np.mean(flat)),
        {predictor: _score(scores, predictor) for predictor in PREDICTORS},
    )  # fmt: skip


def _score(scores: Scores, name: str) -> Score:
    p = scores.predicted[name]
    _, saved = daily_means(scores.day, log_losses(scores.y, scores.predicted[BASE]) - log_losses(scores.y, p))
    _, gain_error = _mean(saved)
    _, correlation, _ = by_instant(scores.day, scores.day, p, scores.forward_return)
    return Score(log_loss(scores.y, p), gain_error, *_mean(correlation))


def _mean(daily: Floats) -> tuple[float, float]:
    """Mean, and its standard error; 0 for a constant."""
    if is_constant(daily):
        return float(daily.mean()), 0.0
    found = mean_of(daily)
    return found.value, found.error


def main() -> None:
    """Train the worlds, print each as it is done, and the headline table last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument("--setups", nargs="+", choices=list(SETUPS), default=list(SETUPS))
    parser.add_argument("--seeds", type=int, default=8, help="0 to this number, exclusive (8)")
    parser.add_argument("--small", action="store_true", help="one seed of two worlds")
    parser.add_argument("--write", action="store_true", help="store the figures, and make the tables of docs/ anew")
    asked = parser.parse_args()
    if asked.small:
        asked.worlds, asked.seeds = list(SMALL), 1
    found: list[Figures] = []
    groups = [(world, setup) for world, setup in product(asked.worlds, asked.setups) if fits(world, setup)]
    began = time.monotonic()
    for world, setup in groups:
        for seed in range(asked.seeds):
            found.append(figures_of(world, setup, seed))
            _progress(found[-1], len(found), len(groups) * asked.seeds, time.monotonic() - began)
        if asked.write:
            _keep(found[-asked.seeds :])
    print(headline(found))


def _keep(found: list[Figures]) -> None:
    """Store the figures of one world and setup in place of its old ones, and make the tables anew."""
    old = [each for each in stored() if (each.world, each.setup) != (found[0].world, found[0].setup)]
    store(sorted(old + found, key=_place))
    update_docs()


def _progress(done: Figures, number: int, many: int, seconds: float) -> None:
    gained = [f"{1e3 * done.gain(name):+.2f}" for name in (STUDENT, ORACLE)]
    print(
        f"{number}/{many} {done.world}, {done.setup}, seed {done.seed}: {done.windows} windows, {done.rows} rows,"
        f" {gained[0]} mnats per row gained on the base rate, {gained[1]} by the oracle;"
        f" {seconds:.0f} s, about {seconds / number * (many - number):.0f} s left",
        file=sys.stderr, flush=True,
    )  # fmt: skip


def _place(figures: Figures) -> tuple[int, int, int]:
    return list(WORLDS).index(figures.world), list(SETUPS).index(figures.setup), figures.seed


if __name__ == "__main__":
    main()
