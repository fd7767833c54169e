"""Windows of degenerate bars are skipped with a reason or trained, without a crash or a NaN in an artifact."""

import gzip
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from schemas.contract.artifact import StudentInputs, TeacherInputs
from schemas.contract.window import SkipReason, Window
from tests.strategies import daily_walk, part, training_settings
from tests.workers.learning.targets import counts_for, student_for
from workers.artifacts import writer
from workers.bars.calendar import day_number
from workers.bars.series import Series
from workers.learning.history import prepare
from workers.learning.skip import Skip
from workers.learning.window import fit_window_teacher

WINDOW = Window(symbol="A", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))
WALK = daily_walk(520)
INSIDE = (WALK.session >= day_number(WINDOW.start)) & (WALK.session < day_number(WINDOW.end))


def one_print(factor: float) -> Series:
    """One bar in the middle of the window, with all four prices times `factor`."""
    bar = int(np.flatnonzero(INSIDE)[80])
    times = np.where(np.arange(len(WALK)) == bar, factor, 1.0)
    return replace(WALK, open=WALK.open * times, high=WALK.high * times, low=WALK.low * times, close=WALK.close * times)


def flat() -> Series:
    """A price that never moves, with constant volume."""
    same = np.full(len(WALK), 100.0)
    return replace(WALK, open=same, high=same, low=same, close=same, volume=np.full(len(WALK), 1000.0))


def flat_inside() -> Series:
    """A price that does not move within the window only."""
    values = {name: np.where(INSIDE, 100.0, getattr(WALK, name)) for name in ("open", "high", "low", "close")}
    return replace(WALK, **values)


# Each kind of label and of student is in one of the pairs that `make check` tries.
OTHER_PAIRS = (("fixed", "booster"), ("sigma", "booster"), ("triple-barrier", "logistic"))
STRANGE = {
    "flat price": flat(),
    "flat price inside": flat_inside(),
    "nothing traded": replace(WALK, volume=np.zeros(len(WALK))),
    "one print a million times too high": one_print(1e6),
    "one print a million times too low": one_print(1e-6),
    "nineteen rows": part(WALK, slice(int(np.flatnonzero(INSIDE)[-1]) - 163, None)),
}


def refuse(word: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise AssertionError(f"{word} in a JSON file")


@pytest.mark.parametrize(
    ("kind", "student"),
    [
        ("fixed", "logistic"),
        ("triple-barrier", "booster"),
        ("sigma", "logistic"),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in OTHER_PAIRS),
    ],
)
@pytest.mark.parametrize("name", STRANGE)
def test_strange_bars_are_skipped_or_trained_without_a_nan(name: str, kind: str, student: str, tmp_path: Path) -> None:
    """Each ends as a Skip with a reason, or as artifacts in which every number is one."""
    changes = {
        "fixed": {},
        "sigma": {"threshold_unit": "sigma", "threshold": 0.2},
        "triple-barrier": {"label": "triple-barrier", "privileged": ("path",), "reward_weights": True},
    }[kind]
    settings = training_settings(student=student, **changes)
    history = prepare(STRANGE[name], settings)
    histories = {"A": history}
    try:
        counts = counts_for(histories, WINDOW, settings)
        teacher = fit_window_teacher(histories, WINDOW, settings, counts, "cpu")
        trained = student_for(histories, WINDOW, settings, teacher)
    except Skip as skip:
        assert skip.reason in SkipReason and str(skip)
        return
    versions = {"gurukul": "1"}
    given = {"settings": settings, "bars_sha256": {"A": "0"}, "label_counts": counts, "versions": versions}
    inputs = TeacherInputs(window=WINDOW.span, **given)
    writer.write_teacher(tmp_path / "teacher", inputs, histories, teacher)
    own = StudentInputs(window=WINDOW, teacher_sha256="1", **given)
    writer.write_student(tmp_path / "student", own, histories, trained, b"")
    for path in tmp_path.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text(), parse_constant=refuse)
        elif path.suffix == ".parquet":
            table = pq.read_table(path)
            # An unsure student makes no trade: it has no threshold.
            unsure = not (trained.fitted.shrinkage.sure or trained.fitted.teacher.sure)
            table = table.drop_columns(["trade_above"]) if unsure and path.name == "predictions.parquet" else table
            assert not any(column.null_count for column in table.columns)
            for column in table.columns:
                if str(column.type) == "double":
                    assert pc.all(pc.is_finite(column)).as_py(), path.name
        elif path.name == "labels.csv.gz":
            text = gzip.decompress(path.read_bytes()).decode().lower()
            assert "nan" not in text and "inf" not in text
            assert ",," not in text and not any(line.endswith(",") for line in text.splitlines()), "an empty cell"


def test_one_class_names_how_many_there_are() -> None:
    """Labels that are all 0 cannot be learned from."""
    settings = training_settings(threshold=9.0)
    with pytest.raises(Skip, match=r"0 of \d+ fitted rows are positive") as caught:
        histories = {"A": prepare(WALK, settings)}
        fit_window_teacher(histories, WINDOW, settings, counts_for(histories, WINDOW, settings), "cpu")
    assert caught.value.reason is SkipReason.SINGLE_CLASS


def test_nineteen_rows_are_too_few() -> None:
    """The reason has their number and the number that is needed."""
    settings = training_settings(min_rows=20)
    with pytest.raises(Skip, match="20 needed"):
        fit_window_teacher({"A": prepare(STRANGE["nineteen rows"], settings)}, WINDOW, settings, {}, "cpu")
