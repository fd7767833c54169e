"""What is not installed is reported before a run opens, with the command that installs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.contract.extras import MODULES, explain_missing, missing_modules, training_extras
from tests.conftest import SPAN, clean_environment

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
    ("absent", "source", "command"),
    [
        ("xgboost", "csv", "pip install 'gurukul[cpu]'"),
        ("bokeh_sampledata", "sample", "pip install 'gurukul[sample]'"),
        ("arch numpy", "csv", "pip install 'gurukul[worker]'"),
        ("arch xgboost bokeh_sampledata", "sample", "pip install 'gurukul[worker,sample,cpu]'"),
    ],
)
def test_a_run_names_the_missing_extra_and_opens_nothing(
    absent: str, source: str, command: str, bars: Path, tmp_path: Path
) -> None:
    """Exit code 2, every missing module, one command to type, and no folder of a run."""
    flags = ("--source", f"csv:{bars}", *SPAN) if source == "csv" else ("--source", "sample")
    result = run_without(absent, tmp_path, "orchestrator", "run", *flags, "--devices", "cpu:1x1")
    assert result.returncode == 2, result.stdout + result.stderr
    # Rich may break the line anywhere.
    told = " ".join((result.stdout + result.stderr).split())
    assert all(name in told for name in absent.split())
    assert command in told
    assert not (tmp_path / "data" / "models").exists()


def test_a_plan_needs_no_xgboost(bars: Path, tmp_path: Path) -> None:
    """What only training needs is not asked of a command that does not train."""
    result = run_without("xgboost", tmp_path, "orchestrator", "plan", "--source", f"csv:{bars}", *SPAN)
    assert result.returncode == 0, result.stderr


def test_a_fleet_without_xgboost_does_not_start(tmp_path: Path) -> None:
    """`workers start` ends with 2 before it looks for its broker."""
    flags = ("start", "--devices", "cpu:1x1", "--broker", "redis://127.0.0.1:1/0")
    result = run_without("xgboost", tmp_path, "workers", *flags)
    assert result.returncode == 2
    assert "pip install 'gurukul[worker,cpu]'" in result.stderr or "pip install 'gurukul[cpu]'" in result.stderr


def test_a_host_without_the_orchestrator_s_extra_is_told_so(tmp_path: Path) -> None:
    """The program itself reports what it cannot import."""
    result = run_without("rich jinja2", tmp_path, "orchestrator", "runs")
    assert result.returncode == 2
    assert "jinja2, rich" in result.stderr
    assert "pip install 'gurukul[orchestrator]'" in result.stderr


def test_a_gpu_host_is_told_the_extra_with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy counts as missing for GPU devices only, and the other CUDA version is named too."""
    for name in MODULES["cuda12"]:
        monkeypatch.setitem(sys.modules, name, None)
    missing = missing_modules(training_extras(is_gpu=True))
    assert missing == {"cuda12": MODULES["cuda12"]}
    assert "gurukul[cuda12]" in explain_missing(missing)
    assert "cuda13" in explain_missing(missing)
