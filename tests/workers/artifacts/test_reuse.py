"""Inputs that determine an artifact, and reuse of another run's artifact instead of training, on real files."""

import gzip
import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.features import Plugged, Plugin
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import LabelCount, StudentInputs, TeacherInputs, TeacherMetadata, key_of
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.errors import DataError
from schemas.contract.task import Role, WindowTask
from schemas.contract.window import Window
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.bounded import largest_labels_bytes
from schemas.files.layout import METADATA, BarsLayout, RunLayout
from schemas.files.run_files import read_model, write_model
from tests.conftest import tree
from tests.strategies import daily_walk, examples, intraday_walk, part, training_settings
from tests.workers.models.centres import CENTRES, plug_in
from workers.artifacts.reader import read_teacher
from workers.artifacts.reuse import take_equal
from workers.bars import store
from workers.bars.calendar import day_number
from workers.bars.clean import to_table
from workers.bars.series import COLUMNS, Series
from workers.handlers.task_result import Result
from workers.handlers.train import train_student, train_teacher
from workers.learning.skip import Skip

WINDOW = Window(symbol="M&M", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))
BARS = 520  # from 2020-10-01 to 2022-09-28: enough before, inside and after WINDOW
EARLIER, LATER = "earlier", "later"
FILES = {
    Role.TEACHER: ("model.ubj", "labels.csv.gz", "feature_importance.csv", "certificate.json", "metadata.json"),
    Role.STUDENT: ("model.json", "predictions.parquet", "metadata.json"),
}


@pytest.fixture(scope="module", autouse=True)
def on_a_cpu_device() -> Iterator[None]:
    """Pin this process as a worker's pool child."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DEVICE_ENV, Device(name="cpu0@here", kind=DeviceKind.CPU, slots=1).model_dump_json())
        yield


def store_bars(data_dir: Path, series: Series, interval: str = "1day") -> str:
    """Write a symbol's bars as ingestion does; returns the file's digest."""
    path = BarsLayout.under(data_dir, interval).bars(WINDOW.symbol)
    write_atomic(path, store.encode(to_table(series, np.ones(len(series)))))
    return sha256_of(path)


def task_of(data_dir: Path, run_id: str, role: Role, series: Series, **changes: Any) -> WindowTask:
    """Store `series`; returns the task that trains WINDOW on it, or reuses it."""
    settings = changes.get("settings", training_settings())
    values = {
        "window": WINDOW,
        "settings": settings,
        "bars": {WINDOW.symbol: store_bars(data_dir, series, settings.interval)},
    }
    return WindowTask(run_id=run_id, role=role, reuse=True, **values | changes)


def train(data_dir: Path, run_id: str, series: Series, **changes: Any) -> dict[Role, Result]:
    """Train a window's teacher, then its student, as a worker does with `--reuse`."""
    return {
        Role.TEACHER: train_teacher(task_of(data_dir, run_id, Role.TEACHER, series, **changes), data_dir),
        Role.STUDENT: train_student(task_of(data_dir, run_id, Role.STUDENT, series, **changes), data_dir),
    }


def folder(data_dir: Path, run_id: str, role: Role) -> Path:
    return RunLayout.under(data_dir, run_id).artifact(WINDOW.label, role)


def stored_inputs(data_dir: Path, role: Role) -> TeacherInputs | StudentInputs:
    """Inputs of run `earlier`'s artifact, from its metadata."""
    kind = TeacherInputs if role is Role.TEACHER else StudentInputs
    metadata = json.loads((folder(data_dir, EARLIER, role) / "metadata.json").read_bytes())
    return kind.model_validate_json(json.dumps({name: metadata[name] for name in kind.model_fields}))


def donors(results: dict[Role, Result]) -> list[str | None]:
    """Runs from which teacher and student were copied."""
    return [results[role].reused_from for role in (Role.TEACHER, Role.STUDENT)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which run `earlier` has trained WINDOW. Do not change it."""
    data_dir = tmp_path_factory.mktemp("trained")
    assert donors(train(data_dir, EARLIER, daily_walk(BARS))) == [None, None]
    return data_dir


@pytest.fixture
def data_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return shutil.copytree(trained, tmp_path / "data")


# ---- inputs that decide the bytes


@pytest.mark.parametrize("bars_per_session", [1, 3])
@hypothesis.settings(parent=examples(5), phases=[hypothesis.Phase.generate])  # shrinking would take minutes
@given(seed=st.integers(0, 2**16), horizon=st.integers(1, 9), data=st.data())
def test_later_bars_change_no_byte(
    tmp_path_factory: pytest.TempPathFactory, bars_per_session: int, seed: int, horizon: int, data: st.DataObject
) -> None:
    """Every file of a teacher is the same whichever bars are known after its window, every file of a student once all
    bars are known that scoring reads; and while they are not, the student has another key."""
    interval = "1day" if bars_per_session == 1 else "30minute"
    settings = training_settings(horizon_bars=horizon, interval=interval, cross_session=True)
    series = daily_walk(BARS, seed) if bars_per_session == 1 else intraday_walk(BARS, bars_per_session, seed)
    before_end = int((series.session < day_number(WINDOW.end)).sum())
    scoring_reads = int((series.session < day_number(WINDOW.score_end)).sum()) + horizon
    known = data.draw(st.integers(before_end + horizon + 1, len(series) - 1) | st.just(scoring_reads), label="known")
    whole, cut = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("cut")
    all_known = train(whole, EARLIER, series, settings=settings)
    some_known = train(cut, EARLIER, part(series, slice(0, known)), settings=settings)
    complete = known >= scoring_reads
    for role, same in ((Role.TEACHER, True), (Role.STUDENT, complete)):
        assert set(FILES[role]) <= all_known[role].digests.keys()
        assert (all_known[role].digests == some_known[role].digests) == same
        assert (all_known[role].key == some_known[role].key) == same


@examples(60)
@given(column=st.sampled_from(["timestamp", "session", *COLUMNS]), bar=st.integers(0, 39), bars=st.integers(1, 40))
def test_a_digest_is_of_the_first_bars_alone(column: str, bar: int, bars: int) -> None:
    """Another value in the first `bars` bars gives another digest, one after them does not; a bar more does, too."""
    series = daily_walk(40)
    values = getattr(series, column).copy()
    values[bar] += 1
    other = replace(series, **{column: values})
    assert (other.digest(bars) == series.digest(bars)) == (bar >= bars)
    assert part(series, slice(0, bars)).digest(bars) == series.digest(bars) != series.digest(bars - 1)


def test_a_correction_long_before_the_window_takes_nothing(data_dir: Path) -> None:
    """The first bar, which no row is made of but every recursive feature begins with, is in the key."""
    volume = daily_walk(BARS).volume.copy()
    volume[0] += 1
    assert donors(train(data_dir, LATER, replace(daily_walk(BARS), volume=volume))) == [None, None]


def test_a_bar_after_the_window_is_the_students_alone(data_dir: Path) -> None:
    """If a bar of the scored block was corrected, the teacher is reused and the student is trained."""
    series = daily_walk(BARS)
    close = series.close.copy()
    close[int((series.session < day_number(WINDOW.end)).sum())] *= 1.001
    assert donors(train(data_dir, LATER, replace(series, close=close))) == [EARLIER, None]


def test_a_longer_scored_block_is_the_students_alone(data_dir: Path) -> None:
    """A teacher does not depend on the scored days: if they change, it is reused."""
    window = WINDOW.model_copy(update={"score_end": date(2022, 6, 2)})
    assert donors(train(data_dir, LATER, daily_walk(BARS), window=window)) == [EARLIER, None]


OTHER = {"settings": training_settings(threshold=0.01)}


@pytest.mark.parametrize("role", list(FILES))
def test_what_was_planted_under_the_runs_own_name_is_replaced(data_dir: Path, role: Role) -> None:
    """A whole artifact of other settings in the run's folder: the task stores its own instead, with the same bytes."""
    own = tree(folder(data_dir, EARLIER, role))
    shutil.rmtree(folder(data_dir, EARLIER, role))
    if role is Role.TEACHER:
        train_teacher(task_of(data_dir, EARLIER, role, daily_walk(BARS), **OTHER), data_dir)
    else:
        train(data_dir, LATER, daily_walk(BARS), **OTHER)
        shutil.copytree(folder(data_dir, LATER, role), folder(data_dir, EARLIER, role))
        shutil.rmtree(data_dir / "models" / LATER)
    assert tree(folder(data_dir, EARLIER, role)) != own
    again = {Role.TEACHER: train_teacher, Role.STUDENT: train_student}[role]
    again(task_of(data_dir, EARLIER, role, daily_walk(BARS)), data_dir)
    assert tree(folder(data_dir, EARLIER, role)) == own


def test_a_student_learns_from_no_planted_teacher(data_dir: Path) -> None:
    """A teacher of other settings in the run's folder is refused, and the field named."""
    train_teacher(task_of(data_dir, LATER, Role.TEACHER, daily_walk(BARS), **OTHER), data_dir)
    with pytest.raises(DataError, match=r"not made by this run: label_counts.* this task has .*; remove .* and resume"):
        train_student(task_of(data_dir, LATER, Role.STUDENT, daily_walk(BARS)), data_dir)


def test_another_teachers_student_is_not_taken(data_dir: Path) -> None:
    """If the teachers differ in a byte, for any reason, the student is trained with this run's teacher."""
    train_teacher(task_of(data_dir, LATER, Role.TEACHER, daily_walk(BARS)), data_dir)
    path = folder(data_dir, LATER, Role.TEACHER) / "metadata.json"
    path.write_text(path.read_text().replace('"rounds": ', '"rounds": 1'))
    student = task_of(data_dir, LATER, Role.STUDENT, daily_walk(BARS))
    assert train_student(student, data_dir).reused_from is None


@pytest.mark.parametrize(
    "changes", [{"seed": 7}, {"threshold": 0.01}, {"horizon_bars": 4}, {"distill_weight": 0.4}, {"min_rows": 41}]
)
def test_another_setting_takes_nothing(data_dir: Path, changes: dict[str, Any]) -> None:
    """A changed setting or seed is another window."""
    results = train(data_dir, LATER, daily_walk(BARS), settings=training_settings(**changes))
    assert donors(results) == [None, None]


TEACHER = TeacherInputs(
    window=WINDOW.span,
    settings=training_settings(
        keep_jumps=True,
        features="own",
        plugged=Plugged(timezone="UTC", plugins=(Plugin(name="ideas", sha256="ab", panel_features=("x",)),)),
    ),  # settings that are left out of the key at their defaults
    bars_sha256={WINDOW.symbol: "ab"},
    label_counts={WINDOW.symbol: LabelCount(2.5, 7.0)},
    versions={"gurukul": "1+a", "numpy": "2"},
)
STUDENT = StudentInputs(**TEACHER.model_dump(exclude={"role", "window"}), window=WINDOW, teacher_sha256="cd")


OTHER_WORDS = {
    "1day": "5minute", "fixed": "triple-barrier", "return": "sigma", "next-open": "close", "gross": "net",
    "symbol": "panel", "expanding": "window", "logistic": "booster",
    "own": "cross-section",
}  # fmt: skip


@pytest.mark.parametrize("inputs", [TEACHER, STUDENT], ids=["teacher", "student"])
def test_every_input_is_in_the_key(inputs: TeacherInputs | StudentInputs) -> None:
    """No two of these keys are equal: the inputs as they are, and with each single value in them changed."""

    def variants(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            for name in value:
                yield from (value | {name: other} for other in variants(value[name]))
        elif isinstance(value, str) and value[:2] == "20":
            yield "2019-01-01"
        elif isinstance(value, list):
            if value and isinstance(value[0], dict | str):
                yield from ([other, *value[1:]] for other in variants(value[0]))
            else:
                yield [value[0] / 2, *value[1:]] if value else ["path"]
        elif value is None:
            yield "symbol"
        elif value in OTHER_WORDS:
            yield OTHER_WORDS[value]
        elif value not in ("teacher", "student"):
            if isinstance(value, bool):
                yield not value
            elif isinstance(value, float):
                yield value / 2 + 0.001  # within the bounds of every setting
            else:
                yield f"{value}0" if isinstance(value, str) else value + 1

    plain = inputs.model_dump(mode="json")
    keys = [key_of(type(inputs).model_validate_json(json.dumps(each))) for each in (plain, *variants(plain))]
    assert len(keys) >= 1 + len(TrainingSettings.model_fields) + 6
    assert len(set(keys)) == len(keys)


# ---- what is reused, and what is not


def test_an_equal_window_is_taken_byte_by_byte(data_dir: Path) -> None:
    """The folder, metrics, digests and key of a window that another run has trained are that run's."""
    results = train(data_dir, LATER, daily_walk(BARS))
    assert donors(results) == [EARLIER, EARLIER]
    for role, result in results.items():
        taken = folder(data_dir, LATER, role)
        assert tree(taken) == tree(folder(data_dir, EARLIER, role))
        metadata = json.loads((taken / "metadata.json").read_bytes())
        # How long a row takes is a circumstance, measured where it is taken.
        measured = {name: value for name, value in result.metrics.items() if name != "microseconds_a_row"}
        assert (result.key, measured) == (metadata["key"], metadata["metrics"])
        assert result.digests == {path.name: sha256_of(path) for path in taken.iterdir()}


@pytest.mark.parametrize(("role", "name"), [(Role.TEACHER, "labels.csv.gz"), (Role.STUDENT, "predictions.parquet")])
def test_a_damaged_artifact_is_trained_anew(
    data_dir: Path, caplog: pytest.LogCaptureFixture, role: Role, name: str
) -> None:
    """An equal artifact with a changed file is skipped with a warning, and training leaves its old bytes."""
    before = {each: tree(folder(data_dir, EARLIER, each)) for each in FILES}
    path = folder(data_dir, EARLIER, role) / name
    path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING, logger="workers.artifacts.reuse"):
        results = train(data_dir, LATER, daily_walk(BARS))
    assert [each for each in results if results[each].reused_from is None] == [role]
    assert {each: tree(folder(data_dir, LATER, each)) for each in FILES} == before
    assert f"{path.parent} is damaged and not reused: {path}" in caplog.text


TARGETS = b"symbol,row,block,fitted_by,teacher_out_of_fold\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.ubj", b"{}", r"model.ubj is not a model of kind xgboost \(.*\); remove .* and resume the run"),
        (
            "labels.csv.gz",
            gzip.compress(TARGETS + b"A,1,0,0,0.5\n" * 200_000, mtime=0),
            r"labels.csv.gz unpacks to more than 1 MiB",
        ),
        ("labels.csv.gz", gzip.compress(b"a,b\n1\n", mtime=0), r"labels.csv.gz is no table of labels: .*; remove"),
        ("metadata.json", b"{}", r"metadata.json is damaged, or another version wrote it: .*; remove"),
    ],
    ids=["no model", "labels too large", "no labels", "no metadata"],
)
def test_a_teacher_with_digests_of_its_own_damage_is_one_line(
    data_dir: Path, name: str, content: bytes, message: str
) -> None:
    """A file that matches its recorded digest and is none is a data error; labels are capped by the recorded rows."""
    teacher = folder(data_dir, EARLIER, Role.TEACHER)
    (teacher / name).write_bytes(content)
    if name != METADATA:
        metadata = read_model(teacher / METADATA, TeacherMetadata)
        write_model(
            teacher / METADATA,
            metadata.model_copy(update={"sha256": metadata.sha256 | {name: sha256_of(teacher / name)}}),
        )
    with pytest.raises(DataError, match=message) as caught:
        read_teacher(teacher)
    assert "\n" not in str(caught.value)


def test_labels_of_a_large_panel_are_below_their_cap() -> None:
    """36 symbols with a year of minute bars, at 700 bytes per row; whatever a file claims, the cap has a bound."""
    rows = 36 * 250 * 375
    assert 700 * rows < largest_labels_bytes(rows) < largest_labels_bytes(10**12) < 17 * 10**9


@pytest.mark.parametrize("damage", ["gone", "longer", "cut", "empty"])
@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in FILES.items() for name in names])
def test_no_damage_is_taken(data_dir: Path, role: Role, name: str, damage: str) -> None:
    """If any file of an equal artifact is missing, longer, shorter or empty, the artifact is not reused."""
    inputs = stored_inputs(data_dir, role)
    task = task_of(data_dir, LATER, role, daily_walk(BARS))
    path = folder(data_dir, EARLIER, role) / name
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes({"longer": content + b"\n", "cut": content[:-1], "empty": b""}[damage])
    assert take_equal(task, data_dir, inputs) is None
    assert not folder(data_dir, LATER, role).exists()
    path.write_bytes(content)
    assert take_equal(task, data_dir, inputs) == EARLIER


def test_metadata_of_another_window_is_not_trusted(data_dir: Path) -> None:
    """A key that does not belong to the stored inputs is damage, even if the files' digests match."""
    path = folder(data_dir, EARLIER, Role.TEACHER) / "metadata.json"
    path.write_text(path.read_text().replace('"seed": 42', '"seed": 43'))
    assert donors(train(data_dir, LATER, daily_walk(BARS)))[0] is None


def test_a_damaged_artifact_does_not_hide_an_older_one(data_dir: Path) -> None:
    """The newest run is tried first; if its artifact is damaged, the next run's is reused."""
    train(data_dir, "newer", daily_walk(BARS))
    assert donors(train(data_dir, LATER, daily_walk(BARS))) == ["newer", "newer"]
    (folder(data_dir, LATER, Role.TEACHER) / "model.ubj").write_bytes(b"")
    (folder(data_dir, "newer", Role.TEACHER) / "model.ubj").write_bytes(b"")
    assert donors(train(data_dir, "last", daily_walk(BARS)))[0] == EARLIER


def test_a_window_that_cannot_be_trained_is_not_taken(data_dir: Path) -> None:
    """If today's bars leave nothing to score, the window is skipped, even if an earlier run had it."""
    series = daily_walk(BARS)
    inside = int((series.session < day_number(WINDOW.end)).sum())
    with pytest.raises(Skip, match="bars after it"):
        train(data_dir, LATER, part(series, slice(0, inside)))
    assert not folder(data_dir, LATER, Role.TEACHER).exists()


def test_the_reported_artifact_is_the_stored_one(data_dir: Path) -> None:
    """An artifact that another attempt has stored already stays, and its digests, metrics and key are reported."""
    path = folder(data_dir, EARLIER, Role.TEACHER) / "metadata.json"
    path.write_text(path.read_text().replace('"rounds": ', '"rounds": 1'))
    twin = tree(path.parent)
    result = train(data_dir, EARLIER, daily_walk(BARS))[Role.TEACHER]
    assert tree(path.parent) == twin
    assert result.digests == {each.name: sha256_of(each) for each in path.parent.iterdir()}
    assert result.metrics == json.loads(twin["metadata.json"])["metrics"]
    assert result.reused_from is None, "a run is no earlier run of its own"


def test_a_comment_in_a_plug_in_keeps_what_was_trained_and_a_change_does_not(tmp_path: Path) -> None:
    """Teacher and student of a user's class, in runs that begin after edits of its file."""
    found = []
    for run_id, spread in (("a", "1e-9"), ("b", "1e-9"), ("c", "1e-8")):
        with pytest.MonkeyPatch.context() as patch:
            (tmp_path / run_id).mkdir()
            code = f"{CENTRES.replace('1e-9', spread)}\n# as of run {run_id}\n"
            plugged = plug_in(tmp_path / run_id / "ideas.py", code, patch)
            settings = training_settings(teacher="Centres", student="Centres", plugged=plugged)
            found.append(donors(train(tmp_path / "data", run_id, daily_walk(BARS), settings=settings)))
    assert found == [[None, None], ["a", "a"], [None, None]]
