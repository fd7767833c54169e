"""What each kind of process loads: the orchestrator and a worker's parent start without the learning stack."""

import subprocess
import sys

from tests.house.sources import ROOT

HEAVY = (
    "altair", "arch", "cupy", "matplotlib", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "statsmodels",
    "vl_convert", "workers", "xgboost",
)  # fmt: skip


def test_the_orchestrator_starts_without_the_learning_stack() -> None:
    """A process that has loaded all of the orchestrator holds none of the heavy libraries."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "orchestrator").rglob("*.py")
        if path.name != "__main__.py"
    ]
    assert "orchestrator.dashboard.application" in modules
    code = f"import {', '.join(modules)}, sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_a_worker_process_parent_does_not_load_the_learning_stack() -> None:
    """The supervisor and the Celery parent hold no XGBoost and no NumPy: only pool children, spawned, hold them."""
    refuse_learning_stack(
        "import workers.cli, workers.devices.supervisor, workers.celery.__main__, workers.celery.tasks", "numpy"
    )


def test_answers_about_stored_files_do_not_load_the_learning_stack() -> None:
    """`preflight`, `verify`, `explain` and a release's golden vectors need 0.4 s of CPU to start, not 1.8 s."""
    refuse_learning_stack(
        "import workers.inspection.preflight, workers.inspection.verification, workers.inspection.explanation,"
        " workers.serving.golden"
    )


def refuse_learning_stack(imports: str, *others: str) -> None:
    """Fail the test if a new process that executes `imports` holds one of the slow libraries."""
    heavy = {"xgboost", "sklearn", "scipy", "pandas", "cupy", *others}
    code = f"{imports}, sys; print(sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
