"""Kinds of model of plug-in files: what a user's class must hold, and what each of its faults costs."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from schemas.config.model_kinds import KINDS, Parameters
from schemas.config.target import VALUE
from schemas.contract.errors import DataError, RequestError
from schemas.contract.requests import ChosenModel, PluginQuestion
from tests.strategies import training_settings
from tests.workers.models.centres import CENTRES, HEAD, plug_in
from tests.workers.models.test_kinds import NAMES, rows
from workers.inspection.plugins import inspect
from workers.models.apart import ModelTrial
from workers.models.base import Recipe
from workers.models.registry import stored_type, type_of

PARAMETERS = """
    @dataclass
    class Parameters:
        temper: float = 10.0"""
Write = Callable[..., Any]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Give this process a plug-in with the example's model after replacements; returns what settings hold of it."""

    def written(*changed: tuple[str, str]) -> Any:
        code = CENTRES
        for old, new in changed:
            assert old in code
            code = code.replace(old, new)
        return plug_in(tmp_path / "ideas.py", code, monkeypatch)

    return written


def recipe(plugged: Any, **changes: float) -> Recipe:
    """How the plug-in's kind is fitted."""
    parameters: type[Parameters] | None = plugged.kinds["Centres"].student
    assert parameters is not None
    return Recipe(parameters(**changes), seed=3)


def test_a_users_class_is_a_model_type(write: Write) -> None:
    """It finds the planted signal beside the offset, has the same bytes again, and survives its file, scaled too."""
    plugged = write()
    own = type_of("Centres")
    model = own.fit(*rows(), recipe(plugged, temper=2.0))
    content = model.scaled(0.7).encode(NAMES)
    assert own.fit(*rows(), recipe(plugged, temper=2.0)).scaled(0.7).encode(NAMES) == content
    read, names = own.decode(content)
    other = rows(2_000, seed=2)
    assert names == NAMES and read.margin(other.x).tobytes() == model.scaled(0.7).margin(other.x).tobytes()
    margin, known = model.margin(other.x), np.isfinite(other.x[:, 0])
    assert np.corrcoef(margin[known], other.x[known, 0])[0, 1] > 0.7
    low, high = (margin[other.offset == offset].mean() for offset in (-1.0, 0.5))
    assert abs(low - high) < 0.2 and abs(margin.mean()) < 0.4
    assert own.fit(*rows(), recipe(plugged)).encode(NAMES) != model.encode(NAMES)


def test_rows_of_one_class_teach_nothing(write: Write) -> None:
    """The class is not called; the model adds 0 to the base rate, and its file holds that."""
    plugged = write()
    x, soft, weight, offset = rows()
    model = type_of("Centres").fit(x, np.ones(len(soft)), weight, offset, recipe(plugged))
    read, _ = type_of("Centres").decode(model.encode(NAMES))
    assert not read.margin(x).any() and read.margin(x).shape == (len(x),)


def test_rows_of_a_rare_class_are_in_every_fit(write: Write) -> None:
    """Also in the small one that is made twice: few libraries fit rows of one class."""
    plugged = write(("rows = np.ma", "assert 0 < y.sum() < len(y), 'one class'\n        rows = np.ma"))
    x, soft, weight, offset = rows()
    rare = np.isin(np.arange(len(soft)), [2, 5]).astype(np.float64)
    for y in (rare, 1.0 - rare):
        plugged_type = type_of("Centres")
        assert plugged_type.fit(x, y, weight, offset, recipe(plugged, temper=3.0 + y[0])).margin(x).any()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("rows = np.ma", "raise OSError('gone')\n        rows = np.ma", r"ideas.py line 21: OSError: gone \(in fit of"),
        ("rows = np.ma", "import sys; sys.exit()\n        rows = np.ma", r"ideas.py line 21: exit \(in fit of model"),
        ("rows = np.ma", "return None\n        rows = np.ma", "fit gave NoneType; return an instance of Centres"),
        ("rows = np.ma", "x += np.random.normal(size=x.shape)\n        rows = np.ma", "is not deterministic: two fits"),
        ("return 1 / (1 +", "return (1 +", r"predict gave .*; return probabilities from 0 to 1"),
        ("return 1 / (1 +", "return np.nan * (1 +", r"predict gave nan; return probabilities from 0 to 1"),
        ("(self, x):", "(self, x):\n        return np.array(['a'] * len(x))", r"ideas.py: ValueError: could not conv"),
        ("(self, x):", "(self, x):\n        return x[:, 0].sum()", r"predict gave shape \(\); return shape \(256,\)"),
        ("]).encode()", "])", "encode gave str; return bytes that hold the instance"),
        ("return json.dumps([self.centre.tolist(), self.slope.tolist()]).encode()", "return b''", "encode gave no byt"),
        ("return json.dumps(", "import pickle\n        return pickle.dumps(1)  # (", "encode gave a pickle, which"),
        ("self.slope.tolist()]", "(2 * self.slope).tolist()]", "decode reads predicts otherwise than what encode wrot"),
        ("return cls(*(", "return dict(enumerate(", "decode gave dict; return an instance of Centres"),
        ("json.loads(content)", "json.loads(content)[0]", "ideas.py line 38: TypeError"),
    ],
)  # fmt: skip
def test_a_faulty_class_is_refused_before_a_run(write: Write, old: str, new: str, words: str) -> None:
    """A trial on made rows, in the process that reports the plug-in, names the file, its line and what to return."""
    write((old, new))
    report = inspect(PluginQuestion(features=("own",), models=(ChosenModel(role="student", kind="Centres"),)))
    with pytest.raises(DataError, match=words):
        raise DataError(report.error or "")


def test_a_fault_on_real_rows_fails_the_fit(write: Write) -> None:
    """What made rows do not show is a DataError on a window's own rows: that window fails, and is not tried again."""
    plugged = write(("rows = np.ma", "assert x.shape[1] != 6, 'six'\n        rows = np.ma"))
    with pytest.raises(DataError, match=r"ideas.py line 21: AssertionError: six \(in fit of model Centres\)"):
        type_of("Centres").fit(*rows(), recipe(plugged))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('@gk.model("pupil")\nclass A: ...', r"ideas.py line 8: ValueError: a model is for 'teacher', 'student' or bo"),
        ("@gk.model()\nclass A: ...", "ideas.py line 8: ValueError: a model is for 'teacher'"),
        (
            '@gk.model("teacher")\nclass A:\n    def fit(self): ...',
            "class A lacks predict, encode, decode; a model",
        ),
        ('@gk.model("teacher")\ndef a(): ...', r"TypeError: @gk.model\(...\) marks a class"),
        (CENTRES[len(HEAD) :].replace("float = 10.0", "float"), "Parameters: temper has no default; give one"),
        (CENTRES[len(HEAD) :].replace("float = 10.0", "list = 0"), "Parameters: temper is no int, float, bool, str"),
        (CENTRES[len(HEAD) :].replace('"student")', '"student", name="a b")'), "model a b: name String should match"),
        (CENTRES[len(HEAD) :].replace('"student")', '"student", name="logistic")'), "has the name of a built-in one"),
        (CENTRES[len(HEAD) :] * 2, "model 'Centres' is defined twice"),
    ],
    ids=range(9),
)
def test_a_faulty_declaration_is_refused(tmp_path: Path, write: Write, code: str, words: str) -> None:
    """At the import of the file, with its line."""
    write()
    (tmp_path / "other.py").write_text(HEAD + code)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GURUKUL_PLUGINS", str(tmp_path / "other.py"))
        report = inspect(PluginQuestion(features=("own",)))
    with pytest.raises(RequestError, match=words.replace("ideas.py", "other.py")):
        raise RequestError(report.error or "")


def test_settings_with_a_plugged_kind_are_as_strict_as_others(write: Write) -> None:
    """Names, types and bounds of `--set` are those of the class's Parameters; the settings survive their JSON."""
    bounded = "from pydantic import Field; from typing import Annotated, Literal\n        temper: Annotated[float, "
    plugged = write(
        ("        temper: float = 10.0", f"        {bounded}Field(gt=0, le=100)] = 10.0; how: Literal['a', 'b'] = 'a'")
    )
    settings = training_settings(plugged=plugged, student="Centres", teacher="Centres", set="student.temper=5")
    assert type(settings).model_validate_json(settings.model_dump_json()) == settings
    assert settings.parameters("student").model_dump() == {"temper": 5.0, "how": "a"}
    assert settings.parameters("teacher").model_dump() == {"temper": 10.0, "how": "a"}
    assert training_settings(plugged=plugged, student="Centres", set="student.temper=10").set == ()
    for change, words in [
        ("student.temper=0", "student.temper=0 must be more than 0"),
        ("student.temper=x", "student.temper=x is not a number"),
        ("student.how=c", "student.how=c must be a or b"),
        ("student.tempr=1", "no parameter of a student of kind Centres; did you mean student.temper"),
    ]:
        with pytest.raises(ValueError, match=words):
            training_settings(plugged=plugged, student="Centres", set=change)
    with pytest.raises(ValueError, match="'Centres' is not a kind of student; they are logistic"):
        training_settings(student="Centres")
    assert "Centres" not in KINDS


def test_hostile_bytes_are_errors(write: Write, tmp_path: Path) -> None:
    """A damaged file, one that ends the process, and one whose plug-in is not here are each one sentence."""
    plugged = write(("return cls(*(", "if content == b'end': import os; os._exit(3)\n        return cls(*("))
    own = type_of("Centres")
    content = own.fit(*rows(), recipe(plugged)).encode(NAMES)
    for damaged in (
        b"",
        b"{}\n[]",
        content[: len(content) // 2],
        b"\xff" + content,
        content.replace(b"1.0", b"NaN", 1),
    ):
        with pytest.raises(ValueError, match=r"."):
            own.decode(damaged)
    head = content.partition(b"\n")[0] + b"\n"
    with closing(ModelTrial()) as trial:
        trial.refuse_unreadable(content, "model", "Centres")
        with pytest.raises(DataError, match="ended with exit code 3"):
            trial.refuse_unreadable(head + b"end", "model", "Centres")
        with pytest.raises(DataError, match=r"model is damaged: .*ideas.py line 39: .*in decode of model Centres"):
            trial.refuse_unreadable(head + b"[]]", "model", "Centres")
    (tmp_path / own.file_name).write_bytes(json.dumps("anything").encode())
    assert stored_type(tmp_path) is own
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GURUKUL_PLUGINS")
        with pytest.raises(RequestError, match="kind Centres are of a plug-in that this process was not given"):
            stored_type(tmp_path)


def test_a_class_may_predict_values(write: Write) -> None:
    """With targets it is fitted on what is left beside the offset; without, a label of values refuses it by name."""
    constant = "    def predict(self, x):\n        return np.full(len(x), 2.5)\n\n    def other(self, x):"
    plugged = write(('"student")', '"student", targets=("class", "value"))'), ("    def predict(self, x):", constant))
    assert plugged.kinds["Centres"].targets == ("class", "value")
    how = replace(recipe(plugged), target=VALUE)
    model = type_of("Centres").fit(*rows(), how)
    read, _ = type_of("Centres").decode(model.scaled(2.0).encode(NAMES))
    assert read.margin(rows().x[:3]).tolist() == [5.0] * 3
    (plugin,) = plugged.plugins
    classes = plugin.models[0].model_copy(update={"targets": ("class",)})
    without = plugged.model_copy(update={"plugins": (plugin.model_copy(update={"models": (classes,)}),)})
    with pytest.raises(ValidationError, match="'Centres' does not predict values"):
        training_settings(label="return", student="Centres", plugged=without)
