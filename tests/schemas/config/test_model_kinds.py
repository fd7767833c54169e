"""Parameters of models by name: every form of them, one stored form, and errors that name the next step."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.config.model_kinds import KINDS, ROLES, ModelKind, as_changes, chosen_parameters, register_kind
from tests.strategies import training_settings


@pytest.mark.parametrize(
    "given",
    [
        "student.ridge=50,teacher.max_depth=4",
        ["teacher.max_depth=4", " student.ridge = 50.0"],
        ["teacher.max_depth=4,student.ridge=5e1", "teacher.max_depth=4"],
        {"teacher.max_depth": 4, "student.ridge": 50},
        {"teacher": {"max_depth": 4}, "student": {"ridge": 50.0}},
        ["teacher.max_depth=4", "student.ridge=50", "teacher.eta=0.05"],
    ],
)
def test_every_form_is_stored_in_one(given: Any) -> None:
    """Text, repeated flags and tables are equal settings with equal keys; a default changes nothing and is left out."""
    settings = training_settings(set=given)
    assert settings.set == ("teacher.max_depth=4", "student.ridge=50.0")
    assert type(settings).model_validate(settings.model_dump(mode="json", by_alias=True)) == settings
    assert settings.parameters("teacher").model_dump(exclude_defaults=True) == {"max_depth": 4}
    assert settings.parameters("student").model_dump(exclude_defaults=True) == {"ridge": 50.0}


def test_settings_without_parameters_have_no_entry_for_them() -> None:
    """Keys of runs that set nothing stay what they were; the default kind of teacher is left out, too."""
    stored = training_settings(set="teacher.max_depth=3", teacher="xgboost").model_dump(mode="json")
    assert not {"set", "teacher"} & stored.keys()
    assert training_settings(teacher="lightgbm").model_dump(mode="json")["teacher"] == "lightgbm"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"set": "teacher.max_dept=4"}, "no parameter of a teacher of kind xgboost; did you mean teacher.max_depth"),
        ({"set": "student.zzzzzz=4"}, "no parameter of a student of kind logistic; there are student.ridge"),
        ({"set": "student.max_depth=4"}, "no parameter of a student of kind logistic"),
        ({"set": "teacher.max_depth=40"}, "teacher.max_depth=40 must be at most 12"),
        ({"set": "teacher.max_depth=4.5"}, "teacher.max_depth=4.5 is not a whole number"),
        ({"set": "teacher.eta=nan"}, "teacher.eta=nan is not a finite number"),
        ({"set": "max_depth=4"}, "is not ROLE.NAME=VALUE, such as teacher.max_depth=4"),
        ({"set": "teacher.max_depth"}, "is not ROLE.NAME=VALUE"),
        ({"set": "teacher.max_depth="}, "is not ROLE.NAME=VALUE"),
        ({"set": "pupil.max_depth=4"}, "is not ROLE.NAME=VALUE"),
        ({"set": {"max_depth": 4}}, "is not ROLE.NAME=VALUE"),
        ({"set": 4}, "is not ROLE.NAME=VALUE"),
        ({"set": "teacher.eta=0.1,teacher.eta=0.2"}, "teacher.eta is given twice"),
        ({"teacher": "logistic"}, "'logistic' is not a kind of teacher; they are xgboost, "),
        ({"student": "xgboost"}, "'xgboost' is not a kind of student; they are logistic, "),
    ],
)
def test_a_wrong_one_is_named_with_the_next_step(changes: dict[str, Any], message: str) -> None:
    """Unknown names have near ones; types, ranges, forms and roles are checked before a run opens."""
    with pytest.raises(ValidationError) as caught:
        training_settings(**changes)
    assert message in str(caught.value)


def test_another_kind_of_student_has_its_own_defaults() -> None:
    """The baseline that is stored beside a student does not receive its parameters; the teacher keeps its own."""
    other = training_settings(student="booster", set="student.max_depth=3,teacher.eta=0.1").with_student("logistic")
    assert (other.student, other.set) == ("logistic", ("teacher.eta=0.1",))
    assert other.parameters("student") == KINDS["logistic"].student()  # type: ignore[misc]


def test_a_kind_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'logistic' is registered already"):
        register_kind(ModelKind("logistic", "another"))


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_parameter_is_described_and_its_default_is_in_range(kind: ModelKind) -> None:
    """Defaults given as text are the defaults, and so no change."""
    for role in ROLES:
        if (parameters := kind.parameters(role)) is not None:
            assert all(field.description for field in parameters.model_fields.values())
            given = [f"{role}.{name}={value}" for name, value in parameters().model_dump().items()]
            assert as_changes(role, chosen_parameters(role, kind, given)) == ()
