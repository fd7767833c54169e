"""Figures of `benchmarks.learning`: one record per world, setup and seed, and the tables that are made of them."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from workers.bars.series import Floats

DOCS = Path(__file__).parents[1] / "docs"
FIGURES, TABLES, PAGE = (
    DOCS / "benchmarks" / "learning.json",
    DOCS / "benchmarks" / "learning.md",
    DOCS / "benchmarks.md",
)
BEGIN = "<!-- Written by python -m benchmarks.learning --write. -->\n"
END = "<!-- End of what python -m benchmarks.learning writes. -->\n"
BASE, ORACLE, ALONE, STUDENT = "base rate", "oracle", "alone", "student"
PREDICTORS = (ORACLE, BASE, "window share", ALONE, STUDENT, "teacher")
SIGNIFICANT = 2.0


@dataclass(frozen=True)
class Score:
    """One predictor's scores over the scored rows of a world.

    `gain_error` is the standard error of its log-loss improvement over the base rate, in nats per row; `ic` the mean
    over days of the rank correlation with forward returns. Errors allow for dependence between days; 0 for a constant.
    """

    log_loss: float
    gain_error: float
    ic: float
    ic_error: float


@dataclass(frozen=True)
class Figures:
    """One world of one seed, trained in one setup. `taught` and `flat` are shares of its windows."""

    world: str
    setup: str
    seed: int
    rows: int
    windows: int
    taught: float
    flat: float
    scores: dict[str, Score]

    def gain(self, predictor: str) -> float:
        """Log-loss improvement over the base rate, in nats per row."""
        return self.scores[BASE].log_loss - self.scores[predictor].log_loss


@dataclass(frozen=True)
class Estimate:
    """A figure over seeds with its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:+.2f} ± {self.error:.2f}"


def skill(found: Sequence[Figures], predictor: str) -> Estimate:
    """Mean skill against the base rate, in per cent."""
    base = np.array([each.scores[BASE].log_loss for each in found])
    gain = np.array([each.gain(predictor) for each in found])
    return _mean(100.0 * gain / base, 100.0 * found[0].scores[predictor].gain_error / float(base[0]))


def ic(found: Sequence[Figures], predictor: str) -> Estimate:
    """Mean information coefficient, in per cent."""
    first = found[0].scores[predictor]
    return _mean(100.0 * np.array([each.scores[predictor].ic for each in found]), 100.0 * first.ic_error)


def taught_gain(found: Sequence[Figures]) -> Estimate:
    """Log-loss improvement of the student over the one without a teacher, in thousandths of a nat per row."""
    return _mean(1e3 * np.array([each.gain(STUDENT) - each.gain(ALONE) for each in found]), float("nan"))


def _mean(values: Floats, error_of_one: float) -> Estimate:
    """The error is over seeds; of a single seed it is the one over its days."""
    many = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / many**0.5 if many > 1 else error_of_one)


def share(found: Sequence[Figures], of: Callable[[Figures, str], float], predictor: str) -> Estimate | None:
    """Predictor's figure over the oracle's, each summed over seeds, with a jackknife error; None without a signal."""
    if all(each.scores[ORACLE].ic == 0.0 for each in found):
        return None
    got, most = (np.array([of(each, name) for each in found]) for name in (predictor, ORACLE))
    left_out = (got.sum() - got) / (most.sum() - most) if len(found) > 1 else np.full(1, np.nan)
    error = np.sqrt((len(found) - 1) / len(found) * ((left_out - left_out.mean()) ** 2).sum())
    return Estimate(float(got.sum() / most.sum()), float(error))


def gain_of(figures: Figures, predictor: str) -> float:
    """What a share of the oracle's log-loss improvement is made of."""
    return figures.gain(predictor)


def ic_of(figures: Figures, predictor: str) -> float:
    """What a share of the oracle's IC is made of."""
    return figures.scores[predictor].ic


def significant(found: Sequence[Figures], predictor: str) -> int:
    """Number of seeds in which the IC is more than two standard errors above 0."""
    scores = [each.scores[predictor] for each in found]
    return sum(each.ic_error > 0 and each.ic / each.ic_error > SIGNIFICANT for each in scores)


def groups(figures: Iterable[Figures]) -> dict[tuple[str, str], list[Figures]]:
    """Figures by world and setup, in order of their first appearance, each by seed."""
    result: dict[tuple[str, str], list[Figures]] = {}
    for each in figures:
        result.setdefault((each.world, each.setup), []).append(each)
    return {key: sorted(found, key=lambda each: each.seed) for key, found in result.items()}


def headline(figures: Iterable[Figures]) -> str:
    """Markdown table of one row per world and setup."""
    lines = [
        "| world | setup | seeds | oracle's skill, % | student's | share of the oracle's: alone | student | teacher"
        " | taught less alone, mnats | oracle's IC, % | student's | share | t > 2 | windows taught |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (world, setup), found in groups(figures).items():
        cells = [world, setup, len(found), skill(found, ORACLE), skill(found, STUDENT)]
        cells += [_or_dash(share(found, gain_of, name)) for name in (ALONE, STUDENT, "teacher")]
        cells.append(taught_gain(found))
        cells += [ic(found, ORACLE), ic(found, STUDENT), _or_dash(share(found, ic_of, STUDENT))]
        cells += [f"{significant(found, STUDENT)} of {len(found)}", f"{np.mean([each.taught for each in found]):.0%}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def table(figures: Iterable[Figures]) -> str:
    """Markdown table of one row per world, setup and predictor."""
    lines = [
        "| world | setup | predictor | log loss | skill, % | share of the oracle's | IC, % | share | t > 2 |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (world, setup), found in groups(figures).items():
        for name in PREDICTORS:
            loss = np.mean([each.scores[name].log_loss for each in found])
            shares = [_or_dash(share(found, of, name)) for of in (gain_of, ic_of)]
            cells = [world, setup, name, f"{loss:.4f}", skill(found, name), shares[0], ic(found, name), shares[1]]
            lines.append(f"| {' | '.join(map(str, cells))} | {significant(found, name)} of {len(found)} |")
    return "\n".join(lines) + "\n"


def _or_dash(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return f"{estimate.value:.2f}" + ("" if np.isnan(estimate.error) else f" ± {estimate.error:.2f}")


def stored(path: Path = FIGURES) -> list[Figures]:
    """Figures of a file; none if there is no file."""
    records = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [
        Figures(**each | {"scores": {name: Score(**score) for name, score in each["scores"].items()}})
        for each in records
    ]


def store(figures: Iterable[Figures], path: Path = FIGURES) -> None:
    """Write figures as JSON, one record per line."""
    lines = ",\n".join(json.dumps(asdict(each)) for each in figures)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def filled(text: str, content: str) -> str:
    """A page whose content between BEGIN and END is replaced."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{content}\n{END}{rest.partition(END)[2]}"


def update_docs() -> None:
    """Make the tables of both pages anew from the stored figures."""
    figures = stored()
    for path, content in ((TABLES, table(figures)), (PAGE, headline(figures))):
        path.write_text(filled(path.read_text(encoding="utf-8"), content), encoding="utf-8")
