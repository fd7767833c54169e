"""A window from bars to a stored student: on a GPU, on fakes of CuPy and XGBoost, and on the CPU."""

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.gpu_device import why_no_gpu
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import Certificate, TeacherMetadata
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.task import Role
from schemas.files.layout import CERTIFICATE, METADATA, PREDICTIONS, RunLayout
from schemas.files.run_files import read_model
from tests.conftest import SPAN, finished_run, orchestrator, tree
from tests.controls.test_invariance import PANEL_SCOPE, SYMBOL_SCOPE, WORK, tasks
from tests.gpu import fake_cupy, fake_xgboost
from workers.devices.discovery import find_devices
from workers.handlers import train

WHY_NOT = why_no_gpu()
NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(bool(WHY_NOT), reason=f"no GPU: {WHY_NOT}")]
CPU = Device(name="cpu0@here", kind=DeviceKind.CPU, slots=1)
FAKE = Device(name="gpu0@here", kind=DeviceKind.GPU, slots=1)
FLEET = "gpu:0"


@pytest.fixture(params=["fakes", pytest.param("gpu", marks=NEEDS_GPU)])
def pin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Device]]:
    """Pins this process to the parameter's device from the call on; returns the device."""

    def pinned() -> Device:
        if request.param == "fakes":
            for name, module in fake_cupy.modules().items():
                monkeypatch.setitem(sys.modules, name, module)
            fake_xgboost.install(monkeypatch)
        device = FAKE if request.param == "fakes" else find_devices("gpu:0")[0]
        monkeypatch.setenv(DEVICE_ENV, device.model_dump_json())
        train._prepared.cache_clear()
        return device

    yield pinned
    train._prepared.cache_clear()


def trained(data_dir: Path, run_id: str, settings: TrainingSettings) -> RunLayout:
    """Train the first window's teacher and its first student; fails if XGBoost warns of rows on another device."""
    todo = tasks(data_dir, run_id, settings)
    student = next(task for task in todo if task.role is Role.STUDENT)
    teacher = student.window.in_scope(settings.scope).label
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for task in todo:
            if task is student or (task.role is Role.TEACHER and task.window.label == teacher):
                WORK[task.role](task, data_dir)
    assert [str(each.message) for each in found if "device" in str(each.message)] == []
    return RunLayout.under(data_dir, run_id)


def device_of(layout: RunLayout) -> str:
    """Device in the stored teacher's own configuration; its certificate has no violation."""
    (teacher,) = (path.parent for path in layout.folder.rglob(CERTIFICATE))
    assert read_model(teacher / CERTIFICATE, Certificate).violations == ()
    return str(read_model(teacher / METADATA, TeacherMetadata).parameters["device"])


@pytest.mark.parametrize("settings", [SYMBOL_SCOPE, PANEL_SCOPE], ids=["symbol", "panel"])
def test_a_window_is_trained_on_its_device(
    pin: Callable[[], Device], settings: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features, teacher and out-of-fold models on the GPU, the student on the CPU; no rows on the wrong device.

    The same files are stored as on the CPU, and the same rows are scored. On the fakes, whose arithmetic is the CPU's,
    the probabilities are the same, too.
    """
    monkeypatch.setenv(DEVICE_ENV, CPU.model_dump_json())
    on_cpu = trained(tmp_path, "cpu", settings)
    device = pin()
    on_gpu = trained(tmp_path, "gpu", settings)
    assert device_of(on_cpu) == "cpu" and device_of(on_gpu).startswith("cuda")
    assert tree(on_gpu.folder).keys() == tree(on_cpu.folder).keys()
    found, expected = (pq.read_table(next(each.folder.rglob(PREDICTIONS))) for each in (on_gpu, on_cpu))
    for name in ("timestamp", "label", "forward_return"):
        assert found[name] == expected[name], name
    for name in ("student", "teacher"):
        values = found[name].to_numpy()
        assert ((values > 0.0) & (values < 1.0)).all()
        if device is FAKE:
            np.testing.assert_allclose(values, expected[name].to_numpy(), atol=1e-6, err_msg=name)


@pytest.mark.fleet
@pytest.mark.gpu
@pytest.mark.skipif(bool(WHY_NOT), reason=f"no GPU: {WHY_NOT}")
def test_a_fleet_of_one_gpu_finishes_a_run(bars: Path, tmp_path: Path) -> None:
    """A run on `gpu:0` ends with a verdict, every teacher was trained on CUDA, and `verify` finds all as recorded."""
    run = finished_run(tmp_path, "--source", f"csv:{bars}", *SPAN, "--devices", FLEET, "--run-id", "fleet")
    teachers = list(run.folder.glob("windows/*/teacher/metadata.json"))
    assert teachers
    for path in teachers:
        assert str(read_model(path, TeacherMetadata).parameters["device"]).startswith("cuda")
    assert "mismatched devices" not in "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    assert orchestrator("verify", "fleet", cwd=tmp_path).returncode == 0
