"""The recommendation follows from rulings and fields, never from display texts."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.audit.recommendation import recommend, recommend_run
from schemas.config.judgement import GATES, GateSettings
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.judgement import Criterion, Favours, Gate, Recommendation, Ruling, Statistics, Trading, Validation
from schemas.contract.quality import Check, Finding, Verdict
from tests.known import coverage_of, table_of

NAMES = ("log loss saved", "net return", "Sharpe ratio", "overfitting", "slope")


def statistics_of(*gates: Gate) -> Statistics:
    """Statistics with these gates and nothing else."""
    return Statistics(
        run_id="r", seed=1, settings=GateSettings(), trials=1, gates=gates, symbols={}, passing=(), inputs={}
    )


criteria = st.builds(
    Criterion,
    name=st.sampled_from(NAMES),
    ruling=st.sampled_from(Ruling),
    reason=st.sampled_from(("fine", "below 0", "not computable: 3 days")),
    statistic=st.none() | st.floats(-1, 1),
    decides=st.booleans(),
    favours=st.none() | st.sampled_from(Favours),
)
gates = st.builds(
    Gate,
    name=st.sampled_from(GATES),
    question=st.just("Is it so?"),
    criteria=st.lists(criteria, min_size=1, max_size=3).map(tuple),
    inputs=st.just({}),
)


def reworded(gate: Gate) -> Gate:
    """The same gate with its question, names and reasons in capitals."""
    shouted = [
        each.model_copy(update={"name": each.name.upper(), "reason": each.reason.upper()}) for each in gate.criteria
    ]
    return gate.model_copy(update={"question": gate.question.upper(), "criteria": tuple(shouted)})


@given(st.lists(gates, min_size=1, max_size=3))
def test_other_words_leave_the_recommendation(found: list[Gate]) -> None:
    """A test's display name may be capitalised, translated or mistyped."""
    recommendation, reasons = recommend(statistics_of(*found))
    again, others = recommend(statistics_of(*map(reworded, found)))
    assert (again, len(others)) == (recommendation, len(reasons))


@pytest.mark.parametrize("name", [*NAMES, *map(str.capitalize, NAMES)])
@pytest.mark.parametrize(("favours", "expected"), [("chance", "reject"), ("students", "hold"), (None, "hold")])
def test_what_favours_chance_is_rejected(name: str, favours: str | None, expected: str) -> None:
    """Whatever the test is called and whatever its number is."""
    criterion = Criterion(
        name=name, ruling=Ruling.FAIL, reason="bad", statistic=-1.0, favours=Favours(favours) if favours else None
    )
    gate = Gate(name="skill", question="?", criteria=(criterion,), inputs={})
    assert recommend(statistics_of(gate))[0] is Recommendation(expected)


@pytest.mark.parametrize(
    ("name", "statistic", "expected"),
    [
        ("log loss saved", -0.01, "reject"), ("log loss saved", 0.0, "reject"), ("log loss saved", 0.01, "hold"),
        ("net return", -1.7, "reject"), ("Sharpe ratio", 0.1, "hold"),
        ("overfitting", 0.6, "reject"), ("overfitting", 0.5, "hold"), ("slope", -0.5, "hold"),
    ],
)  # fmt: skip
def test_a_file_from_before_the_field_gives_the_recommendation_that_it_gave(
    name: str, statistic: float, expected: str
) -> None:
    """`statistics.json` of an old run has no `favours`; its names are those of the version that wrote it."""
    criterion = Criterion(name=name, ruling=Ruling.FAIL, reason="bad", statistic=statistic)
    content = statistics_of(Gate(name="skill", question="?", criteria=(criterion,), inputs={})).model_dump(mode="json")
    del content["gates"][0]["criteria"][0]["favours"]
    old = Statistics.model_validate_json(json.dumps(content))
    assert recommend(old)[0] is Recommendation(expected)


def test_unexplained_jumps_are_the_last_reason() -> None:
    """A run's reasons, which terminal, report and dashboard show, end with the symbols whose bars jump."""
    jump = Finding(check=Check.OVERNIGHT_GAP, verdict=Verdict.WARN, count=2, where="2024-01-09", detail="jumps")
    config = RunConfig(start_date=date(2024, 1, 1), end_date=date(2024, 6, 1))
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), config=config, devices=(), plan=(), versions={},
        bars=table_of(coverage_of("TCS", [date(2024, 1, 9)], findings=(jump,))),
    )  # fmt: skip
    passed = Criterion(name="days", ruling=Ruling.PASS, reason="fine")
    statistics = statistics_of(Gate(name="data", question="?", criteria=(passed,), inputs={}))
    recommendation, reasons = recommend_run(manifest, statistics, earned(1.0))
    assert (recommendation, reasons[:-1]) == recommend(statistics)
    assert "unexplained jumps of prices: TCS (2)" in reasons[-1]


def earned(ratio: float | None) -> Validation:
    """The part of `validation.json` of two years that a recommendation reads."""
    student: dict[str, Any] = {"information_ratio": ratio}
    read: dict[str, Any] = {"days": 504, "trading": {"student": Trading.model_construct(**student)}}
    return Validation.model_construct(**read)


def test_a_hold_names_the_years_that_are_missing() -> None:
    """At the present information ratio; a promotion and a rejection have no such reason."""
    config = RunConfig(start_date=date(2024, 1, 1), end_date=date(2024, 6, 1))
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), config=config, devices=(), plan=(), versions={}, bars=None
    )
    weak = Criterion(name="net", ruling=Ruling.FAIL, reason="weak", statistic=0.1, favours=Favours.STUDENTS)
    fine = Criterion(name="net", ruling=Ruling.PASS, reason="fine")
    held, promoted = (
        recommend_run(
            manifest, statistics_of(Gate(name="economics", question="?", criteria=(each,), inputs={})), earned(1)
        )
        for each in (weak, fine)
    )
    assert held[0] is Recommendation.HOLD and "6.2 years: 4.2 more" in held[1][-1]
    assert promoted[0] is Recommendation.PROMOTE and not any("years" in reason for reason in promoted[1])
