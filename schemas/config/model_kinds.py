"""The kinds of model, the roles that each can have, and the parameters of each.

To add one: one entry here, and a module of `workers/models` with its type.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError

from schemas.config.target import CLASS, VALUE, Target
from schemas.contract.base import Frozen
from schemas.contract.wrong_value import fault

ModelRole = Literal["teacher", "student"]
ROLES: tuple[ModelRole, ...] = get_args(ModelRole)

Rounds = Annotated[int, Field(ge=1, le=5_000)]
Depth = Annotated[int, Field(ge=1, le=12)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Penalty = Annotated[float, Field(ge=0, le=1e6)]
Bins = Annotated[int, Field(ge=2, le=256)]


class Parameters(Frozen):
    """Parameters of a kind of model in one role; a kind without any uses this class."""


class BoostedTeacher(Parameters):
    """Trees that are added one after the other, sized for a hundred rows."""

    max_rounds: Rounds = Field(200, description="Most trees; the loss of the last rows chooses how many are kept.")
    out_of_fold_rounds: Rounds = Field(
        40, description="Trees of the models that predict held-out rows; fixed, so that those rows do not choose it."
    )
    max_depth: Depth = Field(3, description="Largest depth of a tree.")
    eta: Rate = Field(0.05, description="Share of each tree that is added.")

    @property
    def fixed_rounds(self) -> int:
        """Trees where no rows choose the number."""
        return self.out_of_fold_rounds


class BoostedStudent(Parameters):
    """A few shallow trees."""

    rounds: Rounds = Field(40, description="Trees.")
    max_depth: Depth = Field(2, description="Largest depth of a tree.")
    eta: Rate = Field(0.1, description="Share of each tree that is added.")

    @property
    def fixed_rounds(self) -> int:
        """Trees where no rows choose the number."""
        return self.rounds


class GradientTrees(Parameters):
    """What XGBoost and LightGBM have in common, in both roles."""

    min_child_weight: Penalty = Field(3.0, description="Least sum of second derivatives in a leaf.")
    reg_lambda: Penalty = Field(5.0, description="Penalty on the squares of leaves.")
    max_bin: Bins = Field(64, description="Most values of a feature that are distinguished.")


class StoppedTeacher(BoostedTeacher, GradientTrees):
    """A teacher of XGBoost or LightGBM, whose trees are drawn from parts of rows and features."""

    early_stopping_rounds: Rounds = Field(20, description="Trees without a lower loss after which no more are added.")
    subsample: Share = Field(0.8, description="Share of the rows that each tree is fitted on.")
    colsample_bytree: Share = Field(0.8, description="Share of the features that each tree is fitted on.")


class XGBoostTeacher(StoppedTeacher):
    """XGBoost's teacher."""


class BoosterStudent(BoostedStudent, GradientTrees):
    """XGBoost's student."""


class LightGBMLeaves(Parameters):
    """What LightGBM has beside XGBoost."""

    num_leaves: Annotated[int, Field(ge=2, le=256)] = Field(8, description="Most leaves of a tree.")
    min_data_in_leaf: Annotated[int, Field(ge=1, le=100_000)] = Field(10, description="Least rows in a leaf.")


class LightGBMTeacher(StoppedTeacher, LightGBMLeaves):
    """LightGBM's teacher."""


class LightGBMStudent(BoostedStudent, GradientTrees, LightGBMLeaves):
    """LightGBM's student."""

    subsample: Share = Field(1.0, description="Share of the rows that each tree is fitted on.")
    colsample_bytree: Share = Field(1.0, description="Share of the features that each tree is fitted on.")


class ForestParameters(Parameters):
    """Scikit-learn's forests, the same for teachers and students."""

    trees: Annotated[int, Field(ge=1, le=2_000)] = Field(100, description="Trees.")
    max_depth: Depth = Field(4, description="Largest depth of a tree.")
    min_samples_leaf: Annotated[int, Field(ge=1, le=100_000)] = Field(20, description="Least rows in a leaf.")
    max_features: Share = Field(0.3, description="Share of the features that each split may use.")
    max_samples: Share = Field(0.8, description="Rows that each tree draws, as a share of all.")


class HistBoosting(Parameters):
    """What teachers and students of scikit-learn's gradient boosting have in common."""

    min_samples_leaf: Annotated[int, Field(ge=1, le=100_000)] = Field(20, description="Least rows in a leaf.")
    reg_lambda: Penalty = Field(5.0, description="Penalty on the squares of leaves.")
    max_features: Share = Field(0.8, description="Share of the features that each split may use.")
    max_bin: Annotated[int, Field(ge=2, le=255)] = Field(
        64, description="Most values of a feature that are distinguished."
    )


class HistBoostingTeacher(BoostedTeacher, HistBoosting):
    """Scikit-learn's boosting as a teacher."""


class HistBoostingStudent(BoostedStudent, HistBoosting):
    """Scikit-learn's boosting as a student."""


class Perceptron(Parameters):
    """A multilayer perceptron with one hidden layer, in both roles."""

    hidden: Annotated[int, Field(ge=1, le=512)] = Field(16, description="Units of the hidden layer.")
    learning_rate: Rate = Field(0.01, description="Size of a step of Adam; every step reads all rows.")
    ridge: Penalty = Field(10.0, description="Penalty on the square of each weight, in independent rows.")


class PerceptronTeacher(Perceptron):
    """The perceptron as a teacher."""

    max_rounds: Rounds = Field(200, description="Most steps; the loss of the last rows chooses how many are kept.")
    out_of_fold_rounds: Rounds = Field(
        40, description="Steps of the models that predict held-out rows; fixed, so that those rows do not choose it."
    )
    early_stopping_rounds: Rounds = Field(20, description="Steps without a lower loss after which no more are taken.")

    @property
    def fixed_rounds(self) -> int:
        """Steps where no rows choose the number."""
        return self.out_of_fold_rounds


class PerceptronStudent(Perceptron):
    """The perceptron as a student."""

    rounds: Rounds = Field(60, description="Steps.")

    @property
    def fixed_rounds(self) -> int:
        """Steps where no rows choose the number."""
        return self.rounds


class LinearParameters(Parameters):
    """Logistic regression of a class, ridge regression of a value."""

    # Twice as much finds a quarter less in reverting prices and costs 0.04 % less on random walks and real symbols;
    # docs/method.md has the figures.
    ridge: Penalty = Field(
        100.0, description="Penalty on the square of each standardised coefficient, in independent rows."
    )


@dataclass(frozen=True)
class ModelKind:
    """One kind of model. `teacher` and `student` are its parameters in that role, None where it cannot have it.

    `extra` is the extra of this package that its code needs beside [worker] and one with XGBoost; `libraries` are the
    packages of it whose versions decide what is fitted. `targets`: whether it predicts classes, values or both.
    """

    name: str
    meaning: str
    teacher: type[Parameters] | None = None
    student: type[Parameters] | None = None
    extra: str | None = None
    libraries: tuple[str, ...] = ()
    targets: tuple[Target, ...] = (CLASS, VALUE)

    def parameters(self, role: ModelRole) -> type[Parameters] | None:
        """The parameters of the kind in a role; None if it cannot have the role."""
        return self.teacher if role == "teacher" else self.student


# The students that a run has without --student, and whose scores stand beside those of the chosen kind.
LOGISTIC, LINEAR = "logistic", "linear"
PLAIN: dict[Target, str] = {CLASS: LOGISTIC, VALUE: LINEAR}

KINDS: dict[str, ModelKind] = {}
EMPTY: Mapping[str, ModelKind] = {}


def register_kind(kind: ModelKind) -> None:
    """Make a kind available to `--teacher` or `--student`; ValueError if the name is taken."""
    if kind.name in KINDS:
        raise ValueError(f"a kind of model named {kind.name!r} is registered already; choose another name")
    KINDS[kind.name] = kind


register_kind(ModelKind("xgboost", "gradient-boosted trees of XGBoost", teacher=XGBoostTeacher))
register_kind(ModelKind(LOGISTIC, "logistic regression", student=LinearParameters, targets=(CLASS,)))
register_kind(ModelKind(LINEAR, "ridge regression", student=LinearParameters, targets=(VALUE,)))
register_kind(ModelKind("booster", "a small XGBoost", student=BoosterStudent))

register_kind(
    ModelKind(
        "lightgbm",
        "gradient-boosted trees of LightGBM",
        teacher=LightGBMTeacher,
        student=LightGBMStudent,
        extra="lightgbm",
        libraries=("lightgbm",),
    )
)

register_kind(
    ModelKind("random-forest", "scikit-learn's random forest", teacher=ForestParameters, student=ForestParameters)
)
register_kind(
    ModelKind("extra-trees", "scikit-learn's extra trees", teacher=ForestParameters, student=ForestParameters)
)
register_kind(
    ModelKind(
        "hist-boosting",
        "scikit-learn's gradient boosting on histograms",
        teacher=HistBoostingTeacher,
        student=HistBoostingStudent,
    )
)

register_kind(
    ModelKind(
        "perceptron",
        "a small neural network of PyTorch",
        teacher=PerceptronTeacher,
        student=PerceptronStudent,
        extra="torch",
        libraries=("torch",),
    )
)

# Packages of all kinds whose versions decide what is fitted, beside those that every model needs.
OPTIONAL_LIBRARIES = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.libraries))


def kinds_of(role: ModelRole, own: Mapping[str, ModelKind] = EMPTY) -> list[str]:
    """Names of the kinds that can have a role, those of plug-ins, `own`, included."""
    return [kind.name for kind in (*KINDS.values(), *own.values()) if kind.parameters(role) is not None]


def check_kind(role: ModelRole, name: str, own: Mapping[str, ModelKind] = EMPTY, target: Target | None = None) -> str:
    """Return `name`; ValueError unless a kind of that name can have the role and predict the target, if it is known."""
    if name not in (names := kinds_of(role, own)):
        near = get_close_matches(name, names, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{name!r} is not a kind of {role}; they are {', '.join(names)}{meant}")
    known = KINDS | dict(own)
    if target is not None and target not in known[name].targets:
        able = ", ".join(each for each in names if target in known[each].targets)
        noun = {CLASS: "classes", VALUE: "values"}[target]
        raise ValueError(f"{name!r} does not predict {noun}, which the label has; these do: {able}")
    return name


def changes(values: Any) -> tuple[str, ...]:
    """Split what sets parameters into `ROLE.NAME=VALUE`, each once; ValueError for another form.

    `values` is such text, separated by commas; several of them; or a table of names, whole or one table per role.
    """
    if isinstance(values, Mapping):
        pairs = {key: each if isinstance(each, Mapping) else {"": each} for key, each in values.items()}
        values = [
            f"{role}.{name}={value}".replace(".=", "=") for role, own in pairs.items() for name, value in own.items()
        ]
    texts = [values] if isinstance(values, str) else values
    if not isinstance(texts, list | tuple):
        raise ValueError("is not ROLE.NAME=VALUE, such as teacher.max_depth=4")
    return tuple(dict.fromkeys(part.strip() for text in texts for part in str(text).split(",") if part.strip()))


def chosen_parameters(role: ModelRole, kind: ModelKind, given: Iterable[str]) -> Parameters:
    """The parameters of a kind in a role with the changes of `given` that are the role's.

    ValueError for a change of no role, an unknown name, a value of a wrong type or out of range, and a name that is
    given twice.
    """
    parameters = kind.parameters(role)
    if parameters is None:
        raise ValueError(f"{kind.name} is not a kind of {role}")
    values: dict[str, str] = {}
    for change in given:
        left, sign, value = change.partition("=")
        owner, dot, name = left.strip().partition(".")
        if not (sign and dot and owner in ROLES and value.strip()):
            raise ValueError(f"{change!r} is not ROLE.NAME=VALUE, such as teacher.max_depth=4 or student.ridge=50")
        if owner != role:
            continue
        known = [f"{role}.{field}" for field in parameters.model_fields]
        if left.strip() not in known:
            near = get_close_matches(left.strip(), known, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}"
            raise ValueError(f"{left.strip()} is no parameter of a {role} of kind {kind.name}; {hint}")
        if name in values:
            raise ValueError(f"{left.strip()} is given twice; give it once")
        values[name] = value.strip()
    try:
        return parameters.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ValueError(f"{role}.{name}={values.get(name, '')} {fault(first)}") from None


def as_changes(role: ModelRole, parameters: Parameters) -> tuple[str, ...]:
    """What differs from the defaults, as `ROLE.NAME=VALUE`."""
    return tuple(f"{role}.{name}={value}" for name, value in parameters.model_dump(exclude_defaults=True).items())
