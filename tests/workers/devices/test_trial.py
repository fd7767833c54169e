"""The round that each GPU trains before work is sent to it. NVML, CUDA and CuPy are faked; processes are real."""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import xgboost as xgb

from schemas.contract.device import Device
from schemas.contract.errors import RequestError
from schemas.contract.requests import PreflightRequest
from tests.conftest import ROOT
from tests.doubles.gpus import fake_nvml
from tests.gpu import fake_xgboost
from tests.gpu.conftest import cupy as cupy
from workers.devices.discovery import find_devices
from workers.devices.trial import refuse_untrainable, train_one_round
from workers.inspection import preflight

# CuPy, CUDA and NVML of a host with one GPU, in a folder of modules; what the child process imports by name.
CUPY = """
import sys
from tests.doubles.gpus import FIRST_BUS, SimpleNamespace, fake_cuda
from tests.gpu import fake_cupy
fakes = fake_cupy.modules()
fakes["cupy"].cuda = SimpleNamespace(runtime=fake_cuda(bus=FIRST_BUS))
sys.modules.update(fakes)
"""
NVML = "from tests.doubles.gpus import fake_nvml\nglobals().update(vars(fake_nvml(1)))\n"
UNUSED = "sys.modules['sklearn'] = sys.modules['pandas'] = None\n"  # of XGBoost, 1.5 s of CPU
CUDA_XGBOOST = (
    UNUSED + "import pytest\nfrom tests.gpu import fake_xgboost\nfake_xgboost.install(pytest.MonkeyPatch())\n"
)
HOST_ROWS = "import numpy\nfakes['cupy'].arange = numpy.arange\n"
CRASH = "import os\nos.kill(os.getpid(), 11)\n"


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Device]:
    """The GPU of a host whose child processes import the fakes; the argument is code that runs with `import cupy`."""

    def host(code: str) -> Device:
        (tmp_path / "pynvml.py").write_text(NVML)
        (tmp_path / "cupyx").mkdir()
        (tmp_path / "cupyx" / "__init__.py").write_text("import cupy\n")
        (tmp_path / "cupy.py").write_text(CUPY + code)
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
        (device,) = find_devices("gpu:0", fake_nvml(1))
        return device

    return host


def test_a_gpu_that_trains_passes(gpu: Callable[[str], Device]) -> None:
    """A process pinned to the GPU trains a round there; CPU devices are not tried."""
    refuse_untrainable([gpu(CUDA_XGBOOST), *find_devices("cpu:2x1")])


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (HOST_ROWS, "XGBoost trained on cpu, not on CUDA; install an extra"),
        ("raise ImportError('libcublasLt.so is missing')", "CuPy cannot be used here (libcublasLt.so is missing)"),
    ],
)
def test_a_gpu_that_does_not_train_is_refused_in_one_line(gpu: Callable[[str], Device], code: str, reason: str) -> None:
    """XGBoost without CUDA, and CuPy without a library of it: one line with the device, the reason and the fix."""
    device = gpu(code)
    with pytest.raises(RequestError) as caught:
        refuse_untrainable([device])
    assert str(caught.value).startswith(f"{device.name} does not train: {reason}")
    assert "\n" not in str(caught.value)


def test_preflight_tries_the_gpus_that_are_to_train(
    gpu: Callable[[str], Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the child process is the answer's error; a plan, which trains nothing, starts no CUDA."""
    device = gpu(CRASH)
    monkeypatch.setattr(preflight, "find_devices", lambda text: [device])
    monkeypatch.setattr(preflight, "missing_modules", lambda extras: {})
    plan = PreflightRequest(devices="gpu:0", bars=None, symbols=(), read=False, data_dir="data", trains=False)
    assert preflight.inspect(plan).devices == (device,)
    run = plan.model_copy(update={"trains": True})
    assert preflight.inspect(run).error == f"{device.name} does not train: signal 11"


def test_the_device_is_xgboosts_own_answer(cupy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in CUDA's memory are trained; the booster's configuration decides, not how XGBoost was built."""
    fake_xgboost.install(monkeypatch)
    train_one_round()
    monkeypatch.setattr(fake_xgboost.GpuBooster, "save_config", xgb.Booster.save_config)
    with pytest.raises(RequestError, match="trained on cpu, not on CUDA"):
        train_one_round()
