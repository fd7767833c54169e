"""Pinning to a GPU, its memory and its errors. NVML, CUDA and CuPy are faked; processes and XGBoost are real."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from schemas.contract.device import Device
from schemas.contract.errors import RequestError
from schemas.contract.task import FailureClass
from tests.doubles.gpus import FIRST_BUS, TOTAL_MIB, fake_cuda, fake_nvml, unsupported
from workers.devices.discovery import find_devices
from workers.devices.gpu_failures import failure_of
from workers.devices.nvml import NEEDED_MIB, refuse_full_memory
from workers.devices.pinning import current_device, pinned_environment, refuse_wrong_cuda, refuse_wrong_device

ROOT = Path(__file__).parents[3]
REFUSE = """
import sys
from schemas.contract.errors import RequestError
from workers.devices.pinning import current_device
from workers.devices.pinning import refuse_wrong_device
try:
    refuse_wrong_device(current_device())
except RequestError as error:
    sys.exit(f"refused: {error}")
"""


def device(text: str = "gpu:1") -> Device:
    """A device of a host with two GPUs."""
    (found,) = find_devices(text, fake_nvml(2))
    return found


def driver(folder: Path, expression: str) -> Path:
    """A folder whose `pynvml` is the fake driver that `expression` makes."""
    (folder / "pynvml.py").write_text(f"from tests.doubles.gpus import *\nglobals().update(vars({expression}))\n")
    return folder


def process(code: str, pinned: Device, modules: Path, **changes: str | None) -> subprocess.CompletedProcess[str]:
    """Run `code` pinned to a device, with importable `modules` and some variables changed (None: not set)."""
    variables = os.environ | pinned_environment(pinned) | {"PYTHONPATH": f"{modules}{os.pathsep}{ROOT}"} | changes
    env = {name: value for name, value in variables.items() if value is not None}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, cwd=ROOT)


def test_a_pinned_process_is_accepted(tmp_path: Path) -> None:
    """The pinned environment is accepted on a GPU and on a CPU, and a CPU process needs no NVML."""
    for pinned, modules in ((device(), driver(tmp_path, "fake_nvml(2)")), (device("cpu:1x1"), ROOT)):
        result = process(REFUSE, pinned, modules)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("pinned", "name", "value"),
    [
        ("gpu:1", "CUDA_VISIBLE_DEVICES", None),
        ("gpu:1", "CUDA_VISIBLE_DEVICES", ""),
        ("gpu:1", "CUDA_VISIBLE_DEVICES", "1"),
        ("gpu:1", "CUDA_VISIBLE_DEVICES", "GPU-0000"),
        ("gpu:1", "CUDA_VISIBLE_DEVICES", "GPU-0001,GPU-0000"),
        ("gpu:1", "CUDA_DEVICE_ORDER", None),
        ("gpu:1", "CUDA_DEVICE_ORDER", "FASTEST_FIRST"),
        ("cpu:1x1", "CUDA_VISIBLE_DEVICES", None),
        ("cpu:1x1", "CUDA_VISIBLE_DEVICES", "GPU-0001"),
    ],
)
def test_another_environment_than_the_pin_is_refused(
    monkeypatch: pytest.MonkeyPatch, pinned: str, name: str, value: str | None
) -> None:
    """A GPU process sees its own UUID alone, in PCI order; a CPU process sees none; the error names the variable."""
    for variable, pin in pinned_environment(device(pinned)).items():
        monkeypatch.setenv(variable, pin)
    refuse_wrong_device(current_device(), fake_nvml(2))
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    found = "not set" if value is None else repr(value)
    with pytest.raises(RequestError) as caught:
        refuse_wrong_device(current_device(), fake_nvml(2))
    assert str(caught.value).startswith(f"{device(pinned).name} needs {name}=")
    assert f"here it is {found}; start" in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def pin(monkeypatch: pytest.MonkeyPatch) -> Callable[[Device], None]:
    """Pins this process to a device."""

    def pin(pinned: Device) -> None:
        for variable, value in pinned_environment(pinned).items():
            monkeypatch.setenv(variable, value)

    return pin


def test_a_gpu_that_the_driver_does_not_show_is_refused(pin: Callable[[Device], None], tmp_path: Path) -> None:
    """A GPU that fell off the bus, or a driver that does not answer, is reported in one line."""
    pin(device())
    with pytest.raises(RequestError, match="NVML shows no GPU GPU-0001"):
        refuse_wrong_device(current_device(), fake_nvml(1))
    result = process(REFUSE, device(), driver(tmp_path, "no_driver()"))
    assert result.stderr.startswith("refused: ") and "driver not loaded" in result.stderr


def test_a_gpu_without_its_binding_is_refused(pin: Callable[[Device], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU worker does not start if pynvml cannot be imported."""
    pin(device())
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(RequestError, match="a GPU needs nvidia-ml-py"):
        refuse_wrong_device(current_device())


def test_a_gpu_may_change_its_index(pin: Callable[[Device], None]) -> None:
    """The UUID is the pin: after a reboot it may be another index's, and the name stays."""
    pin(device("gpu:1").model_copy(update={"name": "gpu7@here"}))
    refuse_wrong_device(current_device(), fake_nvml(2))


def test_cuda_must_show_the_pinned_gpu_alone() -> None:
    """One visible GPU in the place on the bus where NVML has the UUID passes; two, another or none is refused."""
    refuse_wrong_cuda(device(), fake_cuda(), fake_nvml(2))
    with pytest.raises(RequestError, match="CUDA shows 2 GPU"):
        refuse_wrong_cuda(device(), fake_cuda(count=2), fake_nvml(2))
    with pytest.raises(RequestError, match="GPU-0001 at PCI 0000:3c:00, but CUDA shows 1 GPU, the first at 0000:3b:00"):
        refuse_wrong_cuda(device(), fake_cuda(bus=FIRST_BUS), fake_nvml(2))
    with pytest.raises(RequestError, match="cudaErrorNoDevice"):
        refuse_wrong_cuda(device(), fake_cuda(count=0), fake_nvml(2))


def test_cuda_is_asked_only_of_a_gpu_and_only_through_cupy(tmp_path: Path) -> None:
    """A CPU process does not import CuPy; a GPU process without CuPy is refused; with CuPy it checks CUDA."""
    code = "from workers.devices.pinning import current_device, refuse_wrong_cuda;refuse_wrong_cuda(current_device())"
    driver(tmp_path, "fake_nvml(2)")
    (tmp_path / "cupy.py").write_text("raise SystemExit('cupy was imported')\n")
    assert process(code, device("cpu:1x1"), tmp_path).returncode == 0
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart is not here')\n")
    (tmp_path / "cupyx" / "scipy").mkdir(parents=True)
    (tmp_path / "cupyx" / "scipy" / "signal.py").write_text("import cupy\n")
    assert "libcudart is not here" in process(code, device(), tmp_path).stderr
    (tmp_path / "cupy.py").write_text(
        "from tests.doubles.gpus import SimpleNamespace, fake_cuda\n"
        "cuda = SimpleNamespace(runtime=fake_cuda(count=2))\n"
    )
    assert "CUDA shows 2 GPU" in process(code, device(), tmp_path).stderr


def test_a_full_gpu_is_out_of_memory_before_it_is_used() -> None:
    """Less free memory than a window needs is a MemoryError with both figures; enough passes; a CPU is not checked."""
    refuse_full_memory(device(), fake_nvml(2, free_mib=NEEDED_MIB))
    message = f"{NEEDED_MIB - 1} MiB free of {TOTAL_MIB}, a window needs {NEEDED_MIB}"
    with pytest.raises(MemoryError, match=message):
        refuse_full_memory(device(), fake_nvml(2, free_mib=NEEDED_MIB - 1))
    refuse_full_memory(device("cpu:1x1"), fake_nvml(2, free_mib=0))


def test_a_gpu_without_a_memory_figure_is_not_checked() -> None:
    """ "Not supported" passes; another error of NVML is raised, which makes the attempt transient."""
    name = "nvmlDeviceGetMemoryInfo"
    refuse_full_memory(device(), unsupported(fake_nvml(2), name))
    lost = unsupported(fake_nvml(2), name, value=15)
    with pytest.raises(lost.NVMLError, match="GPU is lost"):
        refuse_full_memory(device(), lost)


def test_cupys_warning_about_itself_is_ignored(tmp_path: Path) -> None:
    """The import of `cupyx.scipy.signal` warns; with warnings as errors it succeeds, and other warnings stay errors."""
    (tmp_path / "cupyx" / "scipy").mkdir(parents=True)
    (tmp_path / "cupyx" / "scipy" / "signal.py").write_text(
        "import warnings\n"
        "warnings.warn('cupyx.jit.rawkernel is experimental. The interface can change in the future.', FutureWarning)\n"
    )
    code = "import warnings; warnings.simplefilter('error');"
    code += "from workers.devices.arrays import cupy_signal; print(cupy_signal().__name__); warnings.warn('another')"
    result = process(code, device("cpu:1x1"), tmp_path)
    assert result.stdout == "cupyx.scipy.signal\n", result.stderr
    assert result.stderr.endswith("UserWarning: another\n")


def test_nvml_starts_once_per_process(tmp_path: Path) -> None:
    """Only the check before the first window starts NVML."""
    code = (
        "import pynvml; from workers.devices.pinning import current_device, refuse_wrong_device;"
        "from workers.devices.nvml import refuse_full_memory;"
        "starts = []; pynvml.nvmlInit = lambda: starts.append(1); refuse_wrong_device(current_device());"
        "[refuse_full_memory(current_device()) for _ in range(3)]; print(len(starts))"
    )
    result = process(code, device(), driver(tmp_path, "fake_nvml(2)"))
    assert result.stdout == "1\n", result.stderr


def error_of(module: str, name: str, base: type[Exception], text: str) -> Exception:
    """An exception class of a library that is not installed, as `module.name`."""
    kind: type[Exception] = type(name, (base,), {"__module__": module})
    return kind(text)


def xgboost_error(text: str) -> Exception:
    trace = "\n\nStack trace:\n  [bt] (1) libxgboost.so(_ZN2dh16ThrowOnCudaErrorE9cudaErrorPKci+0x15b) [0x7f9b]\n\n"
    error: Exception = xgb.core.XGBoostError(f"[11:17:11] /workspace/src/{text}{trace}")
    return error


ALLOCATION = "common/device_vector.cu:23: Memory allocation error on worker 0: "
ILLEGAL = "cudaErrorIllegalAddress: an illegal memory access was encountered"
CUPY = "cupy_backends.cuda.api"


@pytest.mark.parametrize(
    "error",
    [
        xgboost_error(
            ALLOCATION + "std::bad_alloc: cudaErrorMemoryAllocation: out of memory\n- Free memory: 53.1098GB"
        ),
        xgboost_error(ALLOCATION + "std::bad_alloc\n- Free memory: 53.1098GB\n- Requested memory: 64GB\n"),
        xgboost_error("x.cc:9: cu_.cuMemCreate(&h)[y.cu:3]:CUDA driver error: CUDA_ERROR_OUT_OF_MEMORY. out of memory"),
        error_of("cupy.cuda.memory", "OutOfMemoryError", MemoryError, "Out of memory allocating 8,000 bytes"),
        error_of(f"{CUPY}.runtime", "CUDARuntimeError", RuntimeError, "cudaErrorMemoryAllocation: out of memory"),
        error_of(f"{CUPY}.driver", "CUDADriverError", RuntimeError, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        error_of("cupy_backends.cuda.libs.cublas", "CUBLASError", RuntimeError, "CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_a_full_device_is_oom(error: Exception) -> None:
    """An allocation that the device refused is OOM, in the form of each library."""
    assert failure_of(error) is FailureClass.OOM


@pytest.mark.parametrize(
    "error",
    [
        xgboost_error(f"tree/updater_gpu_hist.cu:770: Exception in gpu_hist: common.h:45: x.cu: 724: {ILLEGAL}"),
        xgboost_error(f"{ALLOCATION}[11:17:11] /workspace/src/common/common.cc:20: y.cuh: 53: {ILLEGAL}"),
        xgboost_error("x.cc:9: cuMemMap(p)[y.cu:3]:CUDA driver error: CUDA_ERROR_LAUNCH_FAILED. unspecified"),
        error_of(f"{CUPY}.runtime", "CUDARuntimeError", RuntimeError, ILLEGAL),
        error_of(f"{CUPY}.driver", "CUDADriverError", RuntimeError, "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal access"),
        error_of("pynvml", "NVMLError_GpuIsLost", Exception, "GPU is lost"),
    ],
)
def test_any_other_error_of_a_gpu_is_transient(error: Exception) -> None:
    """A broken context or a lost GPU is not caused by the window, also where the next allocation reports it."""
    assert failure_of(error) is FailureClass.TRANSIENT


def refused_by_xgboost() -> Exception:
    """The error of a real XGBoost for an unknown parameter."""
    with pytest.raises(xgb.core.XGBoostError) as caught:
        xgb.train({"objective": "nope"}, xgb.DMatrix(np.zeros((4, 1)), label=np.zeros(4)), 1)
    raised: Exception = caught.value
    return raised


def test_what_is_no_error_of_a_gpu_has_no_class() -> None:
    """XGBoost's own errors, the host's memory, and CUDA's messages in another library's error are not CUDA errors."""
    others: list[Any] = [
        refused_by_xgboost(),
        xgboost_error("data/array_interface.h:491: Check failed: ctx->IsCUDA()"),
        MemoryError("Unable to allocate 8 GiB"),
        ValueError(ILLEGAL),
        error_of("cupy.cuda.compiler", "CompileException", Exception, "identifier is undefined"),
    ]
    assert [failure_of(error) for error in others] == [None] * len(others)


def test_the_module_loads_nothing_of_a_gpu_or_a_queue() -> None:
    """Importing it brings neither NVML, CuPy nor XGBoost, and no Celery or Redis."""
    heavy = ("pynvml", "cupy", "xgboost", "celery", "redis")
    code = "import workers.devices.pinning, workers.devices.gpu_failures, sys;"
    code += f"print(sorted(set({heavy!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr
