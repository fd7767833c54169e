"""The Python API, compared with the command line on the same run."""

import doctest
import json
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import lxml.html
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import gurukul
from gurukul import commands, stored_model, stored_run
from orchestrator.ledger.ledger import Ledger
from schemas.contract.errors import Interrupted
from schemas.contract.run import RunStatus
from schemas.files.layout import RunLayout
from tests.conftest import SPAN, Finished, SharedFleet, tree
from tests.doubles.mlflow_server import mlflow_server
from tests.orchestrator.dashboard.studies import stored_study

IDEAS = """
import gurukul as gk


@gk.feature(warmup=60)
def gap_to_high(bars):
    return bars["close"] / bars["high"].rolling(60).max() - 1
"""
SPAN_SETTINGS = {flag[2:].replace("-", "_"): value for flag, value in zip(SPAN[::2], SPAN[1::2], strict=True)}


@pytest.fixture
def stored(two_device_run: Finished) -> gurukul.StoredRun:
    """The finished run, opened through the API."""
    return gurukul.open_run(two_device_run.folder.name, data_dir=two_device_run.folder.parents[1])


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/reference/gurukul.md"])
def test_the_examples_of_the_docs_work(
    page: str, bars: Path, two_device_run: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers_here: None
) -> None:
    """Each block goes on where the last one ended. The finished run stands in for what they train and deploy."""
    cwd = shutil.copytree(two_device_run.cwd, tmp_path / "copy", symlinks=True)
    shutil.copytree(bars, cwd / "bars")
    monkeypatch.chdir(cwd)
    finished = gurukul.open_run(two_device_run.folder.name)
    (cwd / "ideas.py").write_text(IDEAS)
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


def test_the_examples_of_the_docstrings_work(
    bars: Path, two_device_run: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers_here: None
) -> None:
    """Each prints what its docstring shows, on the finished run under the name `nightly`."""
    cwd = shutil.copytree(two_device_run.cwd, tmp_path / "copy", symlinks=True)
    (cwd / "bars").symlink_to(bars)
    (cwd / "ideas.py").write_text(IDEAS)
    monkeypatch.chdir(cwd)
    run_id = two_device_run.folder.name
    run = gurukul.open_run(run_id)
    label = trained_window(run)
    known = {"gurukul": gurukul, "run": run, "label": label, "model": run.model(label)}
    flags, found = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, []
    for module in (commands, stored_run, stored_model):
        for each in doctest.DocTestFinder(exclude_empty=True).find(module, globs=known):
            for example in each.examples:
                example.source, example.want = (
                    text.replace("nightly", run_id) for text in (example.source, example.want)
                )
            found.append(doctest.DocTestRunner(optionflags=flags).run(each, clear_globs=False))
    assert sum(each.attempted for each in found) > 20
    assert not any(each.failed for each in found), "see what was printed"


def test_the_tear_sheet_of_the_docs_is_fed_with_the_book(
    two_device_run: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of `howto.md` run: with quantstats where it is installed, else with a stand-in.

    Returns are the book's of `daily.parquet`, indexed by day; the factor has one value per day and symbol.
    """
    fed: dict[str, object] = {}
    if find_spec("quantstats") is None:
        sheet = SimpleNamespace(html=lambda returns, **others: fed.update(returns=returns, **others))
        monkeypatch.setitem(sys.modules, "quantstats", cast(ModuleType, SimpleNamespace(reports=sheet)))
    page = (ROOT / "docs" / "howto.md").read_text(encoding="utf-8")
    text = page.partition("## A tear sheet")[2].partition("\n## ")[0].replace("nightly", two_device_run.folder.name)
    names: dict[str, object] = {}
    monkeypatch.chdir(shutil.copytree(two_device_run.cwd, tmp_path / "copy", symlinks=True))
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, "howto.md", "exec"), names)
    returns, factor = cast(pd.DataFrame, names["returns"]), cast("pd.Series[float]", names["factor"])
    stored = pd.read_parquet(two_device_run.folder / "validation" / "daily.parquet")
    assert returns["student"].tolist() == stored["student"].tolist()
    assert isinstance(returns.index, pd.DatetimeIndex) and returns.index.is_monotonic_increasing
    assert factor.index.is_unique and factor.index.names == ["date", "asset"]
    assert fed.get("output", "tear-sheet.html") == "tear-sheet.html" and (fed or Path("tear-sheet.html").is_file())


def test_the_numbers_of_the_report_can_be_recomputed_as_the_docs_say(
    stored: gurukul.StoredRun, two_device_run: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block of `howto.md` gives what `validation.json` has; returns are of a strategy that trades."""
    page = (ROOT / "docs" / "howto.md").read_text(encoding="utf-8")
    text = page.partition("## Recompute a number")[2].replace("nightly", two_device_run.folder.name)
    text = text.replace('returns()["student"]', 'returns()["always long"]')
    (block,) = re.findall(r"^```python\n(.*?)^```$", text.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    found: dict[str, float] = {}
    monkeypatch.chdir(two_device_run.cwd)
    exec(compile(block, "howto.md", "exec"), found)
    validation = json.loads((stored.folder / "validation.json").read_bytes())
    trading = validation["trading"]["always long"]
    for name, wanted in (
        ("skill", validation["scores"]["student"]["skill"]),
        ("in_all", trading["growth_percent"] / 100),
        ("worst_fall", trading["max_drawdown_percent"] / 100),
        ("sharpe", trading["sharpe"]),
    ):
        assert found[name] == pytest.approx(wanted, rel=1e-9, abs=1e-12), name
    assert found["years"] == trading["days"] / stored.manifest.periods_per_year
    assert trading["days"] > validation["days"], "the last positions are held longer than the last decision"


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
    mine = stored.predictions(label)
    days = {name: own[name].astype("datetime64[us]") for name in ("session", "label_end_session")}
    pd.testing.assert_frame_equal(mine.drop(columns="window_label"), own.assign(**days))
    assert len(together[together.window_label == label]) == len(own)
    assert stored.returns().index.dtype == together["session"].dtype == "datetime64[us]"
    assert len(together) == pq.read_metadata(stored.folder / "validation" / "rows.parquet").num_rows


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_model_predicts_probabilities(stored: gurukul.StoredRun, role: gurukul.RoleName) -> None:
    """One probability per row, whichever features are missing; another number of columns is refused."""
    model = stored.model(trained_window(stored), role)
    kind = "xgboost" if role == "teacher" else "logistic"
    assert repr(model) == f"StoredModel({role} {kind} of {trained_window(stored)}, {len(model.features)} features)"
    x = np.random.default_rng(1).normal(size=(5, len(model.features)))
    x[0, :] = np.nan
    probability = model.predict(x)
    assert probability.shape == (5,)
    assert ((probability > 0) & (probability < 1)).all()
    frame = pd.DataFrame(x, columns=list(model.features))
    assert model.predict(frame[frame.columns[::-1]]).tolist() == probability.tolist()
    assert model.predict(frame.head(0)).shape == model.predict(x[:0]).shape == (0,)
    with pytest.raises(gurukul.GurukulError, match=r"x has shape \(5, 3\)"):
        model.predict(x[:, :3])
    with pytest.raises(gurukul.GurukulError, match="x lacks the columns return_1;"):
        model.predict(frame.drop(columns="return_1"))


def test_a_teacher_predicts_what_the_run_has_stored(stored: gurukul.StoredRun) -> None:
    """But for the last bits; XGBoost's own sum with an offset is in single precision."""
    label = trained_window(stored)
    seen = stored.features(label)
    again = stored.model(label, "teacher").predict(seen[seen["part"] == "scored"])
    assert np.abs(again - stored.predictions(label)["teacher"].to_numpy()).max() < 1e-12


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
    expected = [(each.window.label, each.skip or "", each.expected_rows) for each in stored.manifest.plan]
    assert list(zip(plan.window_label, plan["skip"], plan.expected_rows, strict=True)) == expected
    assert tree(tmp_path) == {}


def test_a_run_through_the_api_leaves_the_same_artifacts(
    bars: Path, stored: gurukul.StoredRun, fleet: SharedFleet, tmp_path: Path
) -> None:
    """`run` works in a thread, too; its windows are byte for byte the command line's; `resume` finds nothing to do.

    The finished run is on the MLflow server of its settings.
    """
    fleet.serve(tmp_path / "data_dir")
    folders = {name: str(tmp_path / name) for name in ("data_dir", "release_dir", "log_dir")}
    settings = {"source": f"csv:{bars}", "run_id": "api", "broker": fleet[1], "local_workers": False, **folders}
    with mlflow_server() as server, ThreadPoolExecutor(1) as thread:
        run = thread.submit(gurukul.run, quiet=True, mlflow=server.url, **settings, **SPAN_SETTINGS).result()
        assert [each["info"]["run_name"] for each in server.runs] == ["api"]
    assert run.status is RunStatus.READY
    assert tree(run.folder / "windows") == tree(stored.folder / "windows")
    again = gurukul.resume("api", data_dir=folders["data_dir"], broker=fleet[1], quiet=True)
    assert again.folder == run.folder


def test_the_sample_s_timestamps_are_in_a_time_zone_of_its_own(tmp_path: Path) -> None:
    """In it midnight of a timestamp is its session, whatever --timezone."""
    trial = stored_run.StoredRun(stored_study(tmp_path, "autumn").trial(0).folder)
    assert (trial.manifest.config.source, trial.manifest.config.timezone) == ("sample", "Asia/Kolkata")
    assert trial.timezone == "UTC"


def test_stored_bars_have_the_time_zone_of_their_ingestion(stored: gurukul.StoredRun) -> None:
    """A run on them takes zone and calendar from there, and is refused another --timezone."""
    data_dir = stored.folder.parents[1]
    rows = json.loads((data_dir / "bars/1day/coverage.json").read_bytes())["symbols"].values()
    assert {(row["timezone"], row["calendar"]) for row in rows} == {("Asia/Kolkata", "NSE")}
    assert stored.timezone == "Asia/Kolkata"
    gurukul.plan(skip_fetch=True, data_dir=str(data_dir), **SPAN_SETTINGS)
    with pytest.raises(gurukul.GurukulError, match=r"zone UTC: the stored bars of \S+ have their days in Asia/Kolkata"):
        gurukul.plan(skip_fetch=True, timezone="UTC", data_dir=str(data_dir), **SPAN_SETTINGS)


def test_windows_have_what_became_of_each(stored: gurukul.StoredRun) -> None:
    """Roles have the status of their rows, and what is skipped has a reason."""
    windows = stored.windows()
    for role in ("teacher", "student"):
        assert windows[role].tolist() == stored.rows(role).status.tolist()
    assert (windows["reason"] != "").tolist() == (windows["student"] != "success").tolist()


def test_gates_are_those_of_the_report(stored: gurukul.StoredRun) -> None:
    """One row per criterion of `statistics.json`, with its answer and its numbers."""
    statistics = json.loads((stored.folder / "statistics.json").read_text())
    criteria = [(gate["name"], each) for gate in statistics["gates"] for each in gate["criteria"]]
    gates = stored.gates()
    assert list(zip(gates["gate"], gates["criterion"], strict=True)) == [
        (name, each["name"]) for name, each in criteria
    ]
    numbers = [each["statistic"] for _, each in criteria]
    assert gates["statistic"].astype(object).where(gates["statistic"].notna(), None).tolist() == numbers


def test_a_report_in_a_notebook_is_the_page_in_a_sandbox(stored: gurukul.StoredRun) -> None:
    """The frame holds the stored page with a policy added, may run scripts, and has no origin of the notebook's."""
    report = stored.report(height=300)
    frame = lxml.html.fromstring(report._repr_html_())
    assert frame.tag == "iframe" and "300px" in frame.get("style")
    assert "allow-scripts" in frame.get("sandbox") and "same-origin" not in frame.get("sandbox")
    head, _, rest = frame.get("srcdoc").partition("<head>")
    policy, _, rest = rest.partition(">")
    assert "default-src 'none'" in policy
    assert f"{head}<head>{rest}" == report.path.read_text(encoding="utf-8")


def test_a_run_that_is_stopped_raises_keyboard_interrupt(stored: gurukul.StoredRun, tmp_path: Path) -> None:
    """So that `except GurukulError` around a run does not go on after Ctrl-C; the message names what finishes it."""
    copy = tmp_path / "models" / "copied"
    shutil.copytree(stored.folder, copy)
    with closing(Ledger(copy / "ledger.db")) as ledger:
        ledger.set(status=RunStatus.INTERRUPTED, message="stopped by Ctrl-C")
    with pytest.raises(KeyboardInterrupt, match=r"copied was stopped by Ctrl-C; gurukul.resume\('copied'\)"):
        commands._finished(RunLayout(copy), Interrupted.exit_code)
    with closing(Ledger(copy / "ledger.db")) as ledger:
        ledger.set(status=RunStatus.FAILED, message="the disk is full")
    with pytest.raises(gurukul.GurukulError, match="copied ended as failed: the disk is full"):
        commands._finished(RunLayout(copy), 3)


def test_a_run_in_a_notebook_prints_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel of a notebook asks for colours by FORCE_COLOR, which would draw the live view into the cell."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert commands._console(False).is_terminal
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", cast(ModuleType, shell))
    console = commands._console(False)
    assert not console.is_terminal and not console.is_jupyter and not console.stderr


def test_what_cannot_be_done_raises_the_sentence_of_the_command_line(tmp_path: Path) -> None:
    """An unknown run, a missing folder, an unknown setting and an unknown environment are named."""
    with pytest.raises(gurukul.GurukulError, match="there is no run nowhere"):
        gurukul.open_run("nowhere", data_dir=tmp_path)
    with pytest.raises(gurukul.GurukulError, match="does not exist"):
        gurukul.plan(source=f"csv:{tmp_path / 'none'}", start_date="2020-01-01", end_date="2021-01-01")
    with pytest.raises(gurukul.GurukulError, match="sourc is not a setting; did you mean source"):
        gurukul.plan(sourc="sample")
    for settings, words in (
        ({"source": "csv:bars"}, "start_date is missing; give it as an argument$"),
        ({"source": "csv:bars", **SPAN_SETTINGS, "horizon": "x"}, "^horizon 'x' is not a whole number$"),
    ):
        with pytest.raises(gurukul.GurukulError, match=words):
            gurukul.plan(**settings)
    with pytest.raises(gurukul.GurukulError, match=r"^sourc is not a setting$"):
        gurukul.check("ideas.py", sourc="sample")
    with pytest.raises(gurukul.GurukulError, match="name a plug-in file to check"):
        gurukul.check(source="sample")
    with pytest.raises(gurukul.GurukulError, match="there is no run a"):
        gurukul.compare("a", "b", data_dir=tmp_path)
    with pytest.raises(gurukul.GurukulError, match="environment 'prod' must be staging or production"):
        gurukul.predict("prod", release_dir=tmp_path)


def test_a_role_or_a_window_that_a_run_does_not_have_is_named(stored: gurukul.StoredRun) -> None:
    """With the names that are meant."""
    label = trained_window(stored)
    with pytest.raises(gurukul.GurukulError, match="role 'pupil' must be teacher or student"):
        stored.rows(cast(gurukul.RoleName, "pupil"))
    with pytest.raises(gurukul.GurukulError, match=re.escape(f"trained no window {label[:-1]} (near: ")):
        stored.model(label[:-1])
