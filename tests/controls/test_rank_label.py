"""Windows with rank labels and cross-sectional features, from stored bars to golden vectors."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.config.training import TrainingSettings
from schemas.contract.artifact import StudentMetadata, TeacherMetadata
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.errors import DataError
from schemas.contract.release import GoldenRequest
from schemas.contract.task import Role, WindowTask
from schemas.contract.window import MIN_RANKED_SYMBOLS, PANEL, SkipReason, Window
from schemas.files.layout import METADATA, PREDICTIONS, BarsLayout, RunLayout
from schemas.files.run_files import read_model
from tests.strategies import daily_walk, part, training_settings
from tests.workers.learning.targets import counts_for
from workers.artifacts.reader import read_labels
from workers.bars import store
from workers.bars.clean import to_table
from workers.bars.series import Series
from workers.features.cross_section import cross_section_names
from workers.handlers.train import train_student, train_teacher
from workers.learning.history import History, prepare_panel, select_rows
from workers.learning.skip import Skip
from workers.learning.window import fit_window_teacher
from workers.serving.golden import make

SETTINGS = training_settings(label="rank", scope="panel")
DAYS: dict[str, Any] = {"start": date(2021, 6, 1), "end": date(2021, 10, 1), "score_end": date(2021, 11, 1)}
WINDOW = Window(symbol=PANEL, **DAYS)


def bars() -> dict[str, Series]:
    """Seven symbols; one begins late, one misses bars."""
    whole = {symbol: daily_walk(330, seed) for seed, symbol in enumerate("ABCDEFG")}
    whole["F"] = part(whole["F"], slice(20, None))
    kept = np.delete(np.arange(330), [100, 210, 275])
    whole["G"] = Series(*(values[kept] for values in vars(whole["G"]).values()))
    return whole


@pytest.fixture(scope="module")
def known() -> dict[str, History]:
    return prepare_panel(bars(), SETTINGS)


def tasks(data_dir: Path, settings: TrainingSettings, window: Window) -> dict[Role, WindowTask]:
    """Teacher and student of a window, whose bars are stored."""
    layout, digests = BarsLayout.under(data_dir, settings.interval), {}
    layout.folder.mkdir(parents=True)
    for symbol, series in bars().items():
        content = store.encode(to_table(series, np.ones(len(series))))
        layout.bars(symbol).write_bytes(content)
        digests[symbol] = hashlib.sha256(content).hexdigest()
    return {
        role: WindowTask(run_id="r", role=role, window=window, settings=settings, bars=digests)
        for role in (Role.TEACHER, Role.STUDENT)
    }


@pytest.fixture(scope="module", params=["panel", "symbol"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Window]:
    """A data folder with one trained window, of the panel or of one symbol."""
    data_dir = tmp_path_factory.mktemp("data")
    settings = SETTINGS.model_copy(update={"scope": request.param})
    window = WINDOW if request.param == "panel" else Window(symbol="A", **DAYS)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(DEVICE_ENV, Device(name="cpu0@here", kind=DeviceKind.CPU, slots=1).model_dump_json())
        each = tasks(data_dir, settings, window)
        train_teacher(each[Role.TEACHER], data_dir)
        train_student(each[Role.STUDENT], data_dir)
    return data_dir, window


def test_what_is_stored_names_every_symbol_and_has_the_ranks(
    trained: tuple[Path, Window], known: Mapping[str, History]
) -> None:
    """The bars of all symbols are inputs, whatever the scope; each row has its rank, and its label follows from it."""
    data_dir, window = trained
    layout = RunLayout.under(data_dir, "r")
    folder = layout.artifact(window.label, Role.STUDENT)
    metadata = read_model(folder / METADATA, StudentMetadata)
    taught = read_model(layout.artifact(window.label, Role.TEACHER) / METADATA, TeacherMetadata)
    assert set(metadata.bars_sha256) == set(taught.bars_sha256) == set(known)
    assert metadata.features == taught.features == cross_section_names()
    positives, total = (sum(each[place] for each in metadata.label_counts.values()) for place in (0, 1))
    assert 0.4 < positives / total < 0.5  # one less than half of seven are above the median
    rows = pq.read_table(folder / PREDICTIONS)
    labels = read_labels(layout.artifact(window.label, Role.TEACHER), taught)
    for table in (rows, labels):
        rank, label = np.asarray(table["rank"]), np.asarray(table["label"])
        assert len(set(rank.tolist())) >= MIN_RANKED_SYMBOLS
        assert (label == (rank > 0.5)).all()  # no two returns are equal
    at = store.values(rows["timestamp"], pa.int64())
    for symbol, instant, rank in zip(rows["symbol"].to_pylist(), at, np.asarray(rows["rank"]), strict=True):
        mine = known[symbol]
        place = int(np.searchsorted(mine.series.timestamp[mine.labels.t0], instant))
        assert mine.labels.rank[place] == rank


def test_golden_vectors_are_scored_as_in_training(trained: tuple[Path, Window]) -> None:
    """The serving code ranks the panel's bars up to each scored one, and finds the stored probabilities."""
    data_dir, window = trained
    folder = RunLayout.under(data_dir, "r").artifact(window.label, Role.STUDENT)
    symbols = ("A", "F", "G") if window.symbol == PANEL else ("A",)
    files = {symbol: str(BarsLayout.under(data_dir, "1day").bars(symbol)) for symbol in "ABCDEFG"}
    students = dict.fromkeys(symbols, str(folder))
    request = GoldenRequest(data_dir=str(data_dir), interval="1day", bars=files, students=students)
    made = make(request)
    assert made.error is None
    assert made.golden is not None and set(made.golden.rows) == set(symbols)
    assert made.panel == tuple("ABCDEFG")
    assert len(made.probe) == len(cross_section_names())


def test_a_jump_of_one_symbol_takes_its_label_alone() -> None:
    """Other symbols are ranked without it; the rows of the jump are not used."""
    moved = bars()
    close = np.where(np.arange(330) >= 250, moved["B"].close * 3, moved["B"].close)
    moved["B"] = replace(moved["B"], close=close, open=close, high=close * 1.01, low=close * 0.99)
    found = prepare_panel(moved, SETTINGS)
    before = prepare_panel(bars(), SETTINGS)
    spanning = np.flatnonzero((found["B"].labels.t0 >= 245) & (found["B"].labels.t0 < 250))
    assert not found["B"].used[spanning].any()
    assert found["A"].used[spanning].all()
    # One of seven less: shares of the others are of five, not of six.
    for number in (before, found):
        others = len(number) - 2 if number is found else len(number) - 1
        shares = number["A"].labels.rank[spanning][:3] * others
        assert shares == pytest.approx(np.round(shares))


def test_a_certificate_finds_what_reads_other_symbols_later_bars(known: dict[str, History]) -> None:
    """Features that rank the next bar, and labels of a longer horizon than theirs, are leaks by name."""
    counts = counts_for(known, WINDOW, SETTINGS)
    fit_window_teacher(known, WINDOW, SETTINGS, counts, "cpu")
    one = known["C"]
    ahead = np.concatenate([one.features[1:], one.features[-1:]])
    with pytest.raises(DataError, match="leaks: C: feature rank_return_1 reads past its bar"):
        fit_window_teacher({**known, "C": replace(one, compared=ahead)}, WINDOW, SETTINGS, counts, "cpu")
    last = select_rows(one, WINDOW, SETTINGS).train[-1]
    longer = one.labels.rank.copy()
    longer[last] = 1.0 - longer[last] / 2
    other = replace(one, labels=replace(one.labels, rank=longer))
    with pytest.raises(DataError, match="C: 1 labels are others without the bars after their end"):
        fit_window_teacher({**known, "C": other}, WINDOW, SETTINGS, counts, "cpu")


def test_a_panel_that_is_too_small_has_no_rows() -> None:
    """Four symbols that have a label at an instant are not ranked, and the window is skipped with the reason."""
    few = dict(list(bars().items())[: MIN_RANKED_SYMBOLS - 1])
    found = prepare_panel(few, SETTINGS)
    assert not any(each.used.any() for each in found.values())
    with pytest.raises(Skip, match="0 labelled rows, 40 needed; a rank label needs 5 symbols of one span") as caught:
        select_rows(found["A"], WINDOW, SETTINGS)
    assert caught.value.reason is SkipReason.INSUFFICIENT_SAMPLES
