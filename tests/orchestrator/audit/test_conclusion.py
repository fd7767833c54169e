"""What a judgement comes to: the sentence that decides, figures, and what would change the verdict."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from orchestrator.audit.conclusion import conclude
from schemas.config.judgement import GateSettings
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.conclusion import Conclusion
from schemas.contract.judgement import (
    ALPHA,
    LABEL_PERMUTATION,
    LOG_LOSS_IMPROVEMENT,
    NET_RETURN,
    NOT_WORSE_THAN_LIVE,
    Criterion,
    Gate,
    Part,
    Ruling,
    Scores,
    Statistics,
    TeacherEffect,
    Trading,
    Validation,
)
from schemas.contract.quality import Check, Finding, Verdict
from schemas.contract.trials import TrialCount
from tests.known import coverage_of, table_of

JUMP = Finding(check=Check.OVERNIGHT_GAP, verdict=Verdict.WARN, count=2, where="2024-01-09", detail="jumps")


def criterion(name: str, part: str, ruling: str, **numbers: Any) -> Criterion:
    """A test with its numbers."""
    return Criterion(name=name, part=Part(part), ruling=Ruling(ruling), reason=f"{name} is so", **numbers)


def concluded(
    *, permutation: str = "pass", alpha: str = "pass", net: str = "pass", at: float = 2.0, high: float = 5.0,
    ratio: float | None = 1.0, hard: str = "pass", jumps: bool = False, again: str | None = None, tried: int = 1,
    notes: tuple[str, ...] = (), days: int = 504, book_days: int = 0, growth: float = 10.0, hurdle: float = 0.0,
    net_at: float | None = None, counted: dict[str, Any] | None = None, interval: str = "1day", label: str = "fixed",
    constant: int = 2, live: str | None = None, **settings: Any,
) -> Conclusion:  # fmt: skip
    """The conclusion of two years with these rulings; alpha is `at` bps per day, its interval ends at `high`."""
    known = () if alpha == "not computable" else ({"statistic": at, "low": at - 3, "high": high, "threshold": hurdle},)
    gates = {
        "leak": (criterion("certified violations", "hard", hard),),
        "skill": (
            criterion(LOG_LOSS_IMPROVEMENT, "warning", "pass", statistic=0.006, low=0.003, high=0.009),
            criterion(LABEL_PERMUTATION, "primary", permutation, p=0.21),
            *([criterion(NOT_WORSE_THAN_LIVE, "hard", live)] if live else []),
        ),
        "economics": (
            criterion(ALPHA, "primary", alpha, p=0.3, **(known[0] if known else {})),
            criterion(NET_RETURN, "direction", net, statistic=net_at),
            criterion("net return in the worst year", "warning", "fail"),
        ),
        "overfit": (criterion("new evidence", "primary", again),) if again else (),
    }
    statistics = Statistics(
        run_id="r", seed=1, settings=GateSettings(**settings), trials=tried, symbols={}, passing=(), inputs={},
        gates=tuple(Gate(name=name, question="?", criteria=each, inputs={}) for name, each in gates.items() if each),
    )  # fmt: skip
    traded: dict[str, Any] = {
        "information_ratio": ratio, "growth_percent": growth, "net_bps_a_day": 2.0, "max_drawdown_percent": 5.04,
        "sharpe": 0.8, "trades": 100, "days": book_days,
    }  # fmt: skip
    loss: dict[str, Any] = {"log_loss": 0.6}
    order: dict[str, Any] = {"rank_ic": 0.0312, "rank_ic_t": 2.51, "tail_spread_bps": 14.2, "tail_spread_t": 1.1}
    read: dict[str, Any] = {
        "days": days, "rows": 5000, "windows": 9, "constant_windows": constant, "constant_trades": 3,
        "first": date(2022, 1, 3), "last": date(2023, 12, 29),
        "taught": TeacherEffect(windows=0, saved=None, error=None),
        "trading": {name: Trading.model_construct(**traded) for name in ("student", "always long")},
        "scores": {
            "prior": Scores.model_construct(**loss), "alone": Scores.model_construct(**loss),
            "student": Scores.model_construct(**order),
        },
        "per_symbol": {"A": {}, "B": {}},
    }  # fmt: skip
    span: dict[str, Any] = {
        "start_date": date(2021, 1, 1),
        "end_date": date(2024, 1, 1),
        "interval": interval,
        "label": label,
    }
    span |= {"symbols": tuple("ABCDE")} if label == "rank" else {}
    config = RunConfig(source="csv:bars", **span)
    bars = table_of(coverage_of("TCS", [date(2024, 1, 9)], findings=(JUMP,) if jumps else ()))
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), config=config, devices=(), plan=(), versions={}, bars=bars
    )
    count: dict[str, Any] = {"elsewhere": 0, "selections": 1, "looks": 0, "judged_until": None, "opened_from": None}
    trials = TrialCount(configurations=tried, others=(), notes=notes, **(count | (counted or {})))
    return conclude(manifest, statistics, Validation.model_construct(**read), trials)


@pytest.mark.parametrize(
    ("rulings", "verdict", "sentence", "advice"),
    [
        ({}, "promote", "earned +5.04 % per year beside the market after costs, more than luck", "Approve it"),
        ({"alpha": "fail"}, "hold", "what they earned beside the market (+5.04 % per year after costs) can be luck",
         "Judge it again when there are bars up to 2028-"),
        ({"alpha": "fail", "at": -1.0, "ratio": -0.5}, "hold", "trading them earned nothing beside the market (-2.52 %",
         "Try other features"),
        ({"permutation": "fail"}, "hold", "the predictions do not differ from luck: the gain may come from", "Judge"),
        ({"permutation": "fail", "alpha": "fail", "ratio": 0.2}, "hold", "Neither the predictions nor what they earned",
         "Try other features"),
        ({"net": "fail"}, "hold", "trading them did not earn more than it cost", "Judge"),
        ({"again": "fail"}, "hold", "The whole span passes, but new evidence does not", "Judge"),
        ({"alpha": "not computable", "ratio": None}, "hold", "little to decide on (alpha beside always long)",
         "Add what"),
        ({"alpha": "fail", "at": -5.0, "high": -1.0}, "reject", "and bad luck does not explain that", "Reject it"),
        ({"alpha": "fail", "at": 1.0, "high": 2.0, "hurdle": 4.0}, "reject",
         "+2.52 % per year beside the market after costs, below the hurdle of 10.08 %, and bad luck", "Reject it"),
        ({"hard": "fail", "alpha": "fail"}, "reject", "information from the future: certified violations is so",
         "Correct that"),
    ],
)  # fmt: skip
def test_what_decides(rulings: dict[str, Any], verdict: str, sentence: str, advice: str) -> None:
    """Each way to a verdict has its sentence and its advice; the command is the last of the next steps."""
    found = concluded(**rulings)
    assert found.recommendation.value == verdict
    assert sentence in found.sentence and advice in found.advice
    assert ("Do not deploy it. " in found.advice) == (verdict == "hold")
    command = {"promote": " deploy r ", "reject": " reject r "}.get(verdict)
    waits = " run --reuse " if "again when" in found.advice else " plan --power "
    if command or "Add what" not in advice:
        assert (command or waits) in found.next_steps[-1]


def test_two_figures_with_intervals_and_meanings() -> None:
    """Alpha in percent of capital per year, skill in percent of the base rate's log loss, each with what it means."""
    alpha, skill = concluded(alpha="fail", tried=3).sureness
    assert (alpha.text, alpha.interval) == ("+5.04 % per year", "-2.52 to +12.6 (95 %)")
    assert "interval holds 0" in alpha.meaning
    assert "p 0.300 as the best of 3 configurations tried, at most 0.05 is needed" in alpha.meaning
    selected, _ = concluded(alpha="fail", tried=2, counted={"selections": 21}).sureness
    assert "as the best of 22 configurations and selections of symbols tried" in selected.meaning
    assert (skill.text, skill.interval) == ("+1 %", "+0.500 to +1.50 (95 %)")
    assert "does as well with probability 0.210; at most 0.01" in skill.meaning
    lucky = concluded(alpha="fail", at=4.0, tried=40).sureness[0]
    assert "whole interval is above 0, but luck reaches that too often (p 0.300 as the best of 40" in lucky.meaning
    unknown, _ = concluded(alpha="not computable").sureness
    assert (unknown.text, unknown.number, unknown.headline) == ("not known", None, "not known")


def test_what_is_missing_and_what_was_found() -> None:
    """A hold names the years that are missing, jumps are an alert, notes and changed bounds are the first warnings."""
    found = concluded(alpha="fail", jumps=True, notes=("The ledger was cut.",), min_days=100)
    assert any("6.19 years (80 % power), and 2 were judged: 4.19 more" in each for each in found.changes)
    assert found.alerts[0].startswith("Unexplained jumps of prices: TCS (2)")
    assert " ingest --validate-only " in found.next_steps[0]
    assert found.warnings[0] == "The ledger was cut." and "min_days was set to 100" in found.warnings[1]
    assert found.warnings[-1].startswith("Survivorship: the bars of its symbol reach")
    assert found.warnings[-2] == "economics: net return in the worst year: net return in the worst year is so."
    promoted = concluded()
    assert not promoted.alerts and not any("years" in each for each in promoted.changes)


def test_what_students_must_earn_and_which_of_them_trade() -> None:
    """The net return has a bound in words; students that predict the base rate alone are counted with their trades."""
    found = concluded(net="fail", net_at=-1.85)
    assert "The students must earn more than they cost: net return per day is so." in found.changes
    assert "100 decisions to trade." in concluded(constant=0).basis
    assert "100 decisions to trade; 2 students that predicted the base rate alone made 3 of them." in found.basis


def test_a_candidate_is_beside_the_live_release() -> None:
    """The comparison is among what the numbers rest on, and absent where no release is live."""
    assert "Not worse than the live release is so." in concluded(live="pass").basis
    assert not [each for each in concluded().basis if "live release" in each]


def test_growth_is_per_year_where_there_is_one() -> None:
    """Two years of 15 % are 7.24 % per year; less than a year is not extrapolated, and all that was lost is -100 %.

    The book's own days count, which are more than the scored ones, where they are known.
    """
    assert [concluded(growth=each).earned[0].a_year for each in (15.0, -100.0, -130.0)] == [
        "+7.24 %",
        "-100 %",
        "-100 %",
    ]
    assert concluded(days=200).earned[0].a_year == "\N{EN DASH}"
    assert concluded(growth=15.0, days=499, book_days=504).earned[0].a_year == "+7.24 %"


def test_trials_are_counted_as_the_test_counts_them() -> None:
    """Days opened for the first time need no correction; earlier judgements are a warning."""
    final = concluded(alpha="fail", tried=3, counted={"opened_from": date(2023, 6, 1)})
    assert "best of" not in final.sureness[0].meaning
    again = concluded(counted={"looks": 2, "judged_until": date(2023, 1, 2)})
    assert again.warnings[0].startswith("This configuration was judged 2 times before, first on days up to 2023-01-02")


def test_weekly_bars_are_named() -> None:
    """Numbers per day are per week then, and so is the span."""
    found = concluded(interval="1week")
    assert found.basis[0] == "Bars are weekly: a day of these numbers is a week with a bar."
    assert found.span.startswith("504 weeks (9.69 years)")


def test_with_rank_labels_the_order_of_the_symbols_is_stated() -> None:
    """Rank IC and the spread of tails, each with its t; other labels have neither. Symbols have predictions."""
    ranked, other = concluded(label="rank").basis, concluded().basis
    assert ranked[0].startswith("5,000 predictions of 2 symbols") and other[0] == ranked[0]
    assert ranked[1] == (
        "Rank IC +0.0312 (t +2.51); spread of tails, highest less lowest tenth over a horizon, +14.2 bps (t +1.10)."
    )
    assert not [each for each in other if "Rank IC" in each]


def test_trials_under_other_data_folders_are_named_with_the_flag_that_separates_them() -> None:
    """One ledger of trials serves all data folders of a user; `--trials-dir` chooses another."""
    assert "5 configurations tried on these symbols and days, 3 of them under other data folders with the same" in (
        found := concluded(tried=5, counted={"elsewhere": 3}).basis[-1]
    )
    assert found.endswith(" --trials-dir.")


def test_the_count_of_trials_adds_up() -> None:
    """The p of alpha is corrected for the number that the sentence ends with."""
    found = concluded(tried=3, counted={"selections": 37})
    assert found.basis[-1] == (
        "3 configurations tried on these symbols and days; with 36 other selections of symbols that could have been"
        " made, 39 in all."
    )
    assert "as the best of 39 configurations and selections of symbols tried" in found.sureness[0].meaning
