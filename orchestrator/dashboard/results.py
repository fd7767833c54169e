"""Tables of the page Results: gates, scores, trading."""

from dataclasses import dataclass

from markupsafe import Markup

from orchestrator.audit.judgement import Judgement
from orchestrator.audit.wording import ORDERING, VALUE_SCORES, distinct, models_of, ordering_cells, value_cells
from orchestrator.dashboard.rendering import Cell, listed, mark, sentence
from schemas.config.target import CLASS
from schemas.contract.judgement import Criterion, Gate, Scores, ValueScores
from schemas.contract.numbers import between, exact, p_of, percent, shown

CRITERIA = ("test", "result", "part", "number", "95 % interval", "bound", "n", "p")
SCORES = ("model", "log loss", "skill", "Brier", "AUC", "calibration error", *ORDERING)
TRADING = (
    "strategy", "net, bps per day", "alpha, bps per day", "beta", "Sharpe", "max. drawdown", "days under water",
    "decisions", "won", "breaks even, bps",
)  # fmt: skip


@dataclass(frozen=True)
class ResultTables:
    """Rows of each table; gates with the rows of their criteria."""

    gates: list[tuple[Gate, list[tuple[Cell, ...]]]]
    score_headings: tuple[str, ...]
    scores: list[tuple[Cell, ...]]
    trading: list[tuple[Cell, ...]]


def result_tables(found: Judgement) -> ResultTables:
    """The tables of a judged run."""
    validation, models = found.validation, models_of(found.validation.target)
    scores: list[tuple[Cell, ...]] = [
        (models.get(name, name), *(_class_cells(each) if isinstance(each, Scores) else value_cells(each)))
        for name, each in distinct(dict[str, Scores | ValueScores](validation.scores)).items()
    ]
    trading: list[tuple[Cell, ...]] = [
        (
            models.get(name, name), shown(each.net_bps_a_day, "+"), shown(each.alpha_bps_a_day, "+"),
            shown(each.beta), shown(each.sharpe, "+"), f"{shown(each.max_drawdown_percent)} %",
            f"{each.under_water_days:,}", f"{each.trades:,}", percent(each.hit_rate), shown(each.break_even_bps),
        )
        for name, each in distinct(validation.trading).items()
    ]  # fmt: skip
    gates = [(gate, [_criterion(each) for each in gate.criteria]) for gate in found.statistics.gates]
    headings = SCORES if validation.target == CLASS else ("model", *VALUE_SCORES)
    return ResultTables(gates, headings, scores, trading)


def _class_cells(each: Scores) -> tuple[str, ...]:
    return (
        shown(each.log_loss), percent(each.skill, "+"), shown(each.brier), shown(each.auc), shown(each.ece),
        *ordering_cells(each),
    )  # fmt: skip


def _criterion(each: Criterion) -> tuple[Cell, ...]:
    count = None if each.n is None else f"{each.n:,}"
    name = listed([each.name, Markup("<small>{}</small>").format(sentence(each.reason))], "<br>")
    return (
        name, mark(each.answer), each.part.value, shown(each.statistic), between(each.low, each.high),
        exact(each.threshold), count, p_of(each.p),
    )  # fmt: skip
