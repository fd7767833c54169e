"""The Python API, compared with the command line on the same run."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import gurukul
from schemas.contract.run import RunStatus
from tests.conftest import SPAN, Finished, SharedFleet, tree

SPAN_SETTINGS = {flag[2:].replace("-", "_"): value for flag, value in zip(SPAN[::2], SPAN[1::2], strict=True)}


@pytest.fixture
def stored(two_device_run: Finished) -> gurukul.StoredRun:
    """The finished run, opened through the API."""
    return gurukul.open_run(two_device_run.folder.name, data_dir=two_device_run.folder.parents[1])


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/reference/gurukul.md"])
def test_the_examples_of_the_docs_work(
    page: str, bars: Path, two_device_run: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block goes on where the last one ended. The finished run stands in for what they train and deploy."""
    cwd = shutil.copytree(two_device_run.cwd, tmp_path / "copy", symlinks=True)
    shutil.copytree(bars, cwd / "bars")
    monkeypatch.chdir(cwd)
    finished = gurukul.open_run(two_device_run.folder.name)
    monkeypatch.setattr(gurukul, "run", lambda **settings: finished)
    scores = pd.DataFrame()
    scores.attrs["refused"] = {}
    monkeypatch.setattr(gurukul, "predict", lambda environment, **settings: scores)
    features = len(finished.model(trained_window(finished)).features)
    names: dict[str, object] = {"x": np.zeros((2, features))}
    text = (ROOT / page).read_text(encoding="utf-8").replace("nightly", finished.run_id)
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert blocks
    assert np.shape(names["model"].predict(names["x"])) == (2,)  # type: ignore[attr-defined]


def trained_window(stored: gurukul.StoredRun) -> str:
    """Label of the first window with a student."""
    rows = stored.rows()
    return str(rows[rows.status == "success"].window_label.iloc[0])


def test_a_stored_run_has_the_state_that_the_command_line_printed(
    stored: gurukul.StoredRun, two_device_run: Finished
) -> None:
    """Status, recommendation and counts equal the JSON summary of `orchestrator run`."""
    assert stored.status is RunStatus.READY
    assert stored.message == ""
    assert stored.recommendation == two_device_run.summary["recommendation"]
    assert len(stored.rows("student")) == len(stored.manifest.plan)


def test_predictions_are_the_rows_of_the_artifacts(stored: gurukul.StoredRun) -> None:
    """All windows together hold every window's rows; one window alone holds its own."""
    label = trained_window(stored)
    own = pq.read_table(stored.folder / "windows" / label / "student" / "predictions.parquet").to_pandas()
    together = stored.predictions()
    pd.testing.assert_frame_equal(stored.predictions(label).drop(columns="window_label"), own)
    assert len(together[together.window_label == label]) == len(own)
    assert len(together) == pq.read_metadata(stored.folder / "validation" / "rows.parquet").num_rows


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_model_predicts_probabilities(stored: gurukul.StoredRun, role: gurukul.RoleName) -> None:
    """One probability per row, whichever features are missing; another number of columns is refused."""
    model = stored.model(trained_window(stored), role)
    x = np.random.default_rng(1).normal(size=(5, len(model.features)))
    x[0, :] = np.nan
    probability = model.predict(x)
    assert probability.shape == (5,)
    assert ((probability > 0) & (probability < 1)).all()
    with pytest.raises(gurukul.GurukulError, match=r"x has shape \(5, 3\)"):
        model.predict(x[:, :3])


def test_a_changed_model_is_refused(two_device_run: Finished, tmp_path: Path) -> None:
    """A file that differs from the digest in `metadata.json` is named."""
    copy = tmp_path / "models" / two_device_run.folder.name
    shutil.copytree(two_device_run.folder, copy)
    run = gurukul.open_run(copy.name, data_dir=tmp_path)
    label = trained_window(run)
    path = copy / "windows" / label / "student" / "model.json"
    path.write_text(path.read_text().replace("0.", "1.", 1))
    with pytest.raises(gurukul.GurukulError, match="was changed after training"):
        run.model(label)


def test_a_plan_has_one_row_per_window(bars: Path, stored: gurukul.StoredRun, tmp_path: Path) -> None:
    """The plan of the same request lists the windows of the run and writes nothing."""
    plan = gurukul.plan(source=f"csv:{bars}", data_dir=str(tmp_path), **SPAN_SETTINGS)
    expected = [(each.window.label, each.skip, each.expected_rows) for each in stored.manifest.plan]
    skips = plan.skip.astype(object).where(plan.skip.notna(), None)
    assert list(zip(plan.window_label, skips, plan.expected_rows, strict=True)) == expected
    assert tree(tmp_path) == {}


def test_a_run_through_the_api_leaves_the_same_artifacts(
    bars: Path, stored: gurukul.StoredRun, fleet: SharedFleet, tmp_path: Path
) -> None:
    """`run` works in a thread, too; its windows are byte for byte the command line's; `resume` finds nothing to do."""
    fleet.serve(tmp_path / "data_dir")
    folders = {name: str(tmp_path / name) for name in ("data_dir", "release_dir", "log_dir")}
    settings = {"source": f"csv:{bars}", "run_id": "api", "broker": fleet[1], "local_workers": False, **folders}
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(gurukul.run, quiet=True, **settings, **SPAN_SETTINGS).result()
    assert run.status is RunStatus.READY
    assert tree(run.folder / "windows") == tree(stored.folder / "windows")
    again = gurukul.resume("api", data_dir=folders["data_dir"], broker=fleet[1], quiet=True)
    assert again.folder == run.folder


def test_what_cannot_be_done_raises_the_sentence_of_the_command_line(tmp_path: Path) -> None:
    """An unknown run, a missing folder, an unknown setting and an unknown environment are named."""
    with pytest.raises(gurukul.GurukulError, match="there is no run nowhere"):
        gurukul.open_run("nowhere", data_dir=tmp_path)
    with pytest.raises(gurukul.GurukulError, match="does not exist"):
        gurukul.plan(source=f"csv:{tmp_path / 'none'}", start_date="2020-01-01", end_date="2021-01-01")
    with pytest.raises(gurukul.GurukulError, match="sourc"):
        gurukul.plan(sourc="sample")
    with pytest.raises(gurukul.GurukulError, match="environment"):
        gurukul.predict("nowhere", release_dir=tmp_path)
