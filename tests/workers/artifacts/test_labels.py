"""`labels.csv.gz`: written and read in parts, so that a panel's text is never in memory at once."""

import gzip
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from schemas.contract.artifact import TeacherInputs, TeacherMetadata
from schemas.contract.errors import DataError
from schemas.contract.window import Window
from schemas.files.layout import LABELS, METADATA
from schemas.files.run_files import read_model, write_model
from tests.strategies import daily_walk, training_settings
from tests.workers.learning.targets import counts_for
from workers.artifacts import writer
from workers.artifacts.reader import read_labels, read_teacher
from workers.handlers import train
from workers.learning.history import History, prepare
from workers.learning.window import TrainedTeacher, fit_window_teacher

SETTINGS = training_settings(scope="panel", student_scope="symbol")
WINDOW = Window(symbol="PANEL", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))


@cache
def made() -> tuple[TeacherInputs, dict[str, History], TrainedTeacher]:
    """A teacher of two symbols."""
    histories = {symbol: prepare(daily_walk(420, seed=seed), SETTINGS) for seed, symbol in enumerate("AB")}
    counts = counts_for(histories, WINDOW, SETTINGS)
    inputs = TeacherInputs(window=WINDOW.span, settings=SETTINGS, bars_sha256={}, label_counts=counts, versions={})
    return inputs, histories, fit_window_teacher(histories, WINDOW, SETTINGS, counts, "cpu")


def test_labels_are_the_same_in_any_number_of_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 50 rows unpack to the text of one part, and a student reads the targets that its teacher made."""
    inputs, histories, trained = made()
    for rows in (10**6, 50):
        monkeypatch.setattr(writer, "CHUNK_ROWS", rows)
        writer.write_teacher(tmp_path / str(rows), inputs, histories, trained)
    whole, parts = (gzip.decompress((tmp_path / rows / LABELS).read_bytes()) for rows in ("1000000", "50"))
    assert whole == parts and whole.count(b"\n") == len(trained.sample) + 1
    folder, expected = tmp_path / "50", trained.targets(("A", "B"))
    found = read_teacher(folder).targets
    assert found.without is None and expected.without is None
    for name in ("symbol", "row", "block", "fitted_by", "own"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    assert found.of("B").row.tolist() == trained.targets(("B",)).row.tolist()
    metadata = read_model(folder / METADATA, TeacherMetadata)
    assert np.asarray(read_labels(folder, metadata)["row"]).tolist() == expected.row.tolist()
    (folder / LABELS).write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match="is not what was recorded"):
        read_teacher(folder)


def test_a_panels_teacher_is_read_once_for_the_students_of_its_symbols(tmp_path: Path) -> None:
    """The labels of 500 symbols take seconds to read. A teacher with other metadata is read again."""
    inputs, histories, trained = made()
    writer.write_teacher(tmp_path / "teacher", inputs, histories, trained)
    path = tmp_path / "teacher" / METADATA
    first, second = (train._stored_teacher(path.parent, inputs) for _ in range(2))
    assert first is second
    write_model(path, read_model(path, TeacherMetadata).model_copy(update={"prior": 0.25}))
    third = train._stored_teacher(path.parent, inputs)
    assert third is not first and third.sha256 != first.sha256
