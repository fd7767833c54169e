"""Stored side data: found by digest, brought to a host that has none, refused when damaged."""

from pathlib import Path

import numpy as np
import pytest

from schemas.config.features import Plugged, Plugin
from schemas.config.side import SideChoice, SideRequest
from schemas.contract.errors import DataError
from schemas.contract.folders import Folders
from schemas.contract.task import Role, WindowTask
from schemas.contract.window import Window
from schemas.files.layout import side_file
from schemas.store.mirror import Mirror
from tests.strategies import FIRST_DAY, training_settings
from workers.handlers.remote import carry_out
from workers.handlers.task_result import Result
from workers.side.reading import ReadSide, read, store
from workers.side.store import load, side_of


class Seen(Exception):
    """Ends a task where its side data were looked at."""


@pytest.fixture
def flows(tmp_path: Path) -> ReadSide:
    """A file of one value, stored below `own`."""
    path = tmp_path / "flows.csv"
    path.write_text("time,known_at,net\n2024-01-02,2024-01-02 18:30,7.5\n")
    found = read(SideRequest(name="flows", path=str(path), lag_s=None, max_age_s=None), "UTC")
    store(found, tmp_path / "own")
    return found


@pytest.mark.parametrize("reader", ["side", "label_side"])
def test_a_worker_brings_the_side_data_of_its_task(tmp_path: Path, flows: ReadSide, reader: str) -> None:
    """From the store, by digest, before the task's handler reads them: those of features and of a label."""
    own, url = tmp_path / "own", f"file://{tmp_path}/store"
    mirror = Mirror.of(own, url)
    assert mirror is not None
    mirror.push(side_file(own, "flows", flows.coverage.sha256))
    choice = SideChoice(calendar="none", interval="1day", files=(flows.coverage.file,))
    plugged = Plugged(timezone="UTC", plugins=(Plugin(name="ideas", sha256="0" * 64),), **{reader: choice})
    window = Window(
        symbol="A", start=FIRST_DAY, end=FIRST_DAY.replace(year=2030), score_end=FIRST_DAY.replace(year=2031)
    )
    settings = training_settings(plugged=plugged)
    task = WindowTask(run_id="r", telemetry=False, role=Role.TEACHER, window=window, settings=settings, bars={})

    def look(_: WindowTask, data_dir: Path) -> Result:
        instants = np.array(["2024-01-02T18:29", "2024-01-02T18:30"], dtype="M8[us]").astype(np.int64)
        np.testing.assert_array_equal(side_of(choice).tables["flows"].as_of("A", instants)[:, 0], [np.nan, 7.5])
        raise Seen

    with pytest.raises(Seen):
        carry_out(task, Folders(data_dir=str(tmp_path / "late"), store=url), look)


def test_a_missing_or_damaged_file_is_refused(tmp_path: Path, flows: ReadSide) -> None:
    """Its name is its digest, so other content is never read."""
    path = side_file(tmp_path / "own", "flows", flows.coverage.sha256)
    assert load(path, flows.coverage.file).columns == ("net",)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DataError, match="is damaged: its digest is not its name"):
        load(path, flows.coverage.file)
    path.unlink()
    with pytest.raises(DataError, match="is missing: side data flows of the run"):
        load(path, flows.coverage.file)
