"""Ids of attempts: what was formatted is parsed, and the ids of other programs are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.task import Role
from schemas.redis.attempt_id import AttemptId, run_prefix
from tests.strategies import examples

run_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
names = st.from_regex(r"[A-Za-z0-9^][A-Za-z0-9&.^=_/-]{0,40}", fullmatch=True)


@examples(200)
@given(run_id=run_ids, role=st.sampled_from(Role), name=names, attempt=st.integers(0, 10**6))
def test_an_id_is_parsed_as_it_was_formatted(run_id: str, role: Role, name: str, attempt: int) -> None:
    """Parsing is the inverse of formatting, also where a name holds a slash; an id begins with its run's prefix."""
    identity = AttemptId(run_id, role, name, attempt)
    assert AttemptId.parse(str(identity)) == identity
    assert str(identity).startswith(run_prefix(run_id))


@pytest.mark.parametrize(
    "text",
    ["", "r", "r/teacher", "r/teacher/x", "r/teacher/x/", "r/teacher//1", "/teacher/x/1", "r/cook/x/1",
     "r/teacher/x/-1", "0b8e6b0e-7f0c-4d0e-9d3c-4f1f6f0e3a11"],
)  # fmt: skip
def test_another_programs_id_is_none(text: str) -> None:
    """What does not have four parts, a known role and a number is not an attempt of this project."""
    assert AttemptId.parse(text) is None


def test_work_on_a_whole_run_is_named_by_its_role() -> None:
    """A task that is named like its run is described by its role alone."""
    assert AttemptId("r", Role.AUDIT, "r", 1).work == "audit"
    assert AttemptId("r", Role.TEACHER, "A_w", 1).work == "teacher A_w"
