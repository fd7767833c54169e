"""The recommendation follows from rulings and fields, never from display texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.audit.recommendation import recommend
from schemas.config.judgement import GATES, GateSettings
from schemas.contract.judgement import Criterion, Gate, Part, Recommendation, Ruling, Statistics

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
    part=st.sampled_from(Part),
    threshold=st.none() | st.floats(-1, 1),
    high=st.none() | st.floats(-1, 1),
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
    assert recommend(statistics_of(*map(reworded, found))) is recommend(statistics_of(*found))


def criterion(part: str, ruling: str = "fail", high: float | None = None) -> Criterion:
    """A test with a bound of 0.5."""
    return Criterion(name="x", part=Part(part), ruling=Ruling(ruling), reason="so", threshold=0.5, high=high)


def recommended(*criteria: Criterion) -> str:
    """The recommendation of one gate with these tests."""
    return recommend(statistics_of(Gate(name="skill", question="?", criteria=criteria, inputs={}))).value


@given(st.lists(gates, min_size=1, max_size=3))
def test_the_decision(found: list[Gate]) -> None:
    """Promote if all deciding tests pass; reject if a hard one fails or a primary one rules out; hold otherwise."""
    deciding = [each for gate in found for each in gate.criteria if each.part in ("hard", "primary", "direction")]
    if all(each.ruling is Ruling.PASS for each in deciding):
        expected = Recommendation.PROMOTE
    elif any(
        each.ruling is not Ruling.PASS
        and (
            (each.part is Part.HARD and each.ruling is Ruling.FAIL)
            or (each.part is Part.PRIMARY and None not in (each.high, each.threshold)
                and (each.high or 0.0) < (each.threshold or 0.0))
        )
        for each in deciding
    ):  # fmt: skip
        expected = Recommendation.REJECT
    else:
        expected = Recommendation.HOLD
    assert recommend(statistics_of(*found)) is expected


@pytest.mark.parametrize(
    ("part", "ruling", "high", "expected"),
    [
        ("hard", "fail", None, "reject"), ("hard", "not computable", None, "hold"), ("primary", "fail", 0.6, "hold"),
        ("primary", "fail", 0.4, "reject"), ("primary", "fail", None, "hold"),
        ("primary", "not computable", None, "hold"), ("direction", "fail", 0.4, "hold"),
        ("warning", "fail", 0.4, "promote"), ("warning", "not computable", None, "promote"),
        ("informs", "fail", 0.4, "promote"),
    ],
)  # fmt: skip
def test_the_part_of_one_test(part: str, ruling: str, high: float | None, expected: str) -> None:
    """One test that does not pass, beside a hard one that does: what it leads to."""
    assert recommended(criterion("hard", "pass"), criterion(part, ruling, high)) == expected
