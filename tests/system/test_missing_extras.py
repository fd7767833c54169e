"""What is not installed is reported before a run opens, with the command that installs it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.contract.extras import MODULES, explain_missing, missing_modules, training_extras
from tests.conftest import SPAN, Completed, Finished, SharedFleet, clean_environment, command, tree

SCRIPTS = Path(sys.executable).parent
# A module that is None in sys.modules can neither be found nor imported, as if it were not installed.
ABSENT = "import os, sys\nsys.modules.update(dict.fromkeys(os.environ['ABSENT'].split()))\n"


def run_without(absent: str, cwd: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where these modules are not installed, its child processes included."""
    (cwd / "site").mkdir(exist_ok=True)
    (cwd / "site" / "sitecustomize.py").write_text(ABSENT)
    return subprocess.run(
        [SCRIPTS / program, *arguments],
        cwd=cwd,
        env=clean_environment() | {"ABSENT": absent, "PYTHONPATH": str(cwd / "site")},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("absent", "source", "remedy"),
    [
        ("xgboost", "csv", "pip install 'gurukul[cpu]'"),
        ("bokeh_sampledata", "sample", "pip install 'gurukul[sample]'"),
        ("arch exchange_calendars", "csv", "pip install 'gurukul[worker]'"),
        ("arch numpy xgboost bokeh_sampledata", "sample", "pip install 'gurukul[worker,sample,cpu]'"),
        ("lightgbm", "csv", "pip install 'gurukul[lightgbm]'"),
    ],
)
def test_a_run_names_the_missing_extra_and_opens_nothing(
    absent: str, source: str, remedy: str, bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, every missing module, one command to type, and no folder of a run.

    Where numpy is missing in a process of its own, and otherwise in this one.
    """
    flags = ("--source", f"csv:{bars}", *SPAN) if source == "csv" else ("--source", "sample")
    teacher = "lightgbm" if absent == "lightgbm" else "xgboost"
    words = ("run", *flags, "--devices", "cpu:1x1", "--teacher", teacher)
    if "numpy" in absent:
        ended = run_without(absent, tmp_path, "orchestrator", *words)
        result = Completed(ended.returncode, ended.stdout, ended.stderr)
    else:
        for name in absent.split():
            monkeypatch.setitem(sys.modules, name, None)
        result = command(*words, cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    # Rich may break the line anywhere.
    printed = " ".join((result.stdout + result.stderr).split())
    assert all(name in printed for name in absent.split())
    assert remedy in printed
    assert not (tmp_path / "data" / "models").exists()


def reopened(run: Finished, cwd: Path, **config: object) -> Path:
    """A copy of a finished run that lacks the bars of its plan and one student, with other settings; its folder."""
    folder = shutil.copytree(run.cwd, cwd / "copy", symlinks=True) / run.folder.relative_to(run.cwd)
    shutil.rmtree(next((folder / "windows").glob("*/student")))
    manifest = json.loads((folder / "run.json").read_text())
    manifest["config"] |= config
    (folder / "run.json").write_text(json.dumps(manifest | {"bars": None}))
    return folder


RESUME = """
import gurukul
try:
    gurukul.resume("generated", quiet=True)
except gurukul.GurukulError as error:
    print(error)
    raise SystemExit(error.exit_code)
"""


@pytest.mark.parametrize(
    ("program", "arguments"), [("orchestrator", ("resume", "generated")), ("python", ("-c", RESUME))]
)
def test_a_resume_names_the_missing_extras_and_opens_nothing(
    program: str, arguments: tuple[str, ...], two_device_run: Finished, tmp_path: Path
) -> None:
    """What the stored settings need, for training and for their source, on the command line and in Python."""
    folder = reopened(two_device_run, tmp_path, source="sample")
    before = tree(folder)
    result = run_without("xgboost bokeh_sampledata", tmp_path / "copy", program, *arguments)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "pip install 'gurukul[sample,cpu]'" in " ".join((result.stdout + result.stderr).split())
    assert tree(folder) == before


def test_a_resume_whose_bars_are_stored_needs_no_source(two_device_run: Finished, tmp_path: Path) -> None:
    """Only what is still to do counts: with its bars stored and its windows trained, the run opens and is done."""
    cwd = shutil.copytree(two_device_run.cwd, tmp_path / "copy", symlinks=True)
    path = cwd / two_device_run.folder.relative_to(two_device_run.cwd) / "run.json"
    manifest = json.loads(path.read_text())
    manifest["config"] |= {"source": "sample", "data_dir": str(cwd / "data")}
    path.write_text(json.dumps(manifest))
    result = run_without("bokeh_sampledata", cwd, "orchestrator", "resume", "generated")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_resume_without_local_workers_asks_nothing_of_this_host(
    two_device_run: Finished, fleet: SharedFleet, tmp_path: Path
) -> None:
    """The fleet reads, trains and judges; this host only decides."""
    broker, data_dir = fleet[1], str(tmp_path / "copy" / "data")
    fleet.serve(Path(data_dir))
    folder = reopened(two_device_run, tmp_path, local_workers=False, broker=broker, data_dir=data_dir)
    result = run_without("xgboost arch", tmp_path / "copy", "orchestrator", "resume", "generated")
    assert result.returncode == 0, result.stdout + result.stderr
    students = {path.parent.name for path in (folder / "windows").glob("*/student")}
    assert students == {path.parent.name for path in (two_device_run.folder / "windows").glob("*/student")}


def test_a_plan_needs_no_xgboost(bars: Path, tmp_path: Path) -> None:
    """A command that does not train needs no library of training."""
    result = run_without("xgboost", tmp_path, "orchestrator", "plan", "--source", f"csv:{bars}", *SPAN)
    assert result.returncode == 0, result.stderr


def test_a_fleet_without_xgboost_does_not_start(tmp_path: Path) -> None:
    """`workers start` ends with 2 before it looks for its broker."""
    flags = ("start", "--devices", "cpu:1x1", "--broker", "redis://127.0.0.1:1/0")
    result = run_without("xgboost", tmp_path, "workers", *flags)
    assert result.returncode == 2
    assert "pip install 'gurukul[worker,cpu]'" in result.stderr or "pip install 'gurukul[cpu]'" in result.stderr


def test_a_host_without_the_orchestrators_extra_gets_the_command(tmp_path: Path) -> None:
    """The program itself reports what it cannot import."""
    result = run_without("rich jinja2", tmp_path, "orchestrator", "runs")
    assert result.returncode == 2
    assert "jinja2, rich" in result.stderr
    assert "pip install 'gurukul[orchestrator]'" in result.stderr


def test_a_gpu_host_gets_the_extra_with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy counts as missing for GPU devices only, and the other CUDA version is named too."""
    for name in MODULES["cuda12"]:
        monkeypatch.setitem(sys.modules, name, None)
    missing = missing_modules(training_extras(is_gpu=True))
    assert missing == {"cuda12": MODULES["cuda12"]}
    assert "gurukul[cuda12]" in explain_missing(missing)
    assert "cuda13" in explain_missing(missing)
