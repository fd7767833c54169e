"""`benchmarks/gpu.py` runs with its eight libraries alone, and prints no figure that it did not measure."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from benchmarks.gpu import Table, circumstances, indicator_parity, relative_difference
from benchmarks.gpu_device import Gauge, Side, gauged, why_no_gpu
from workers.features.frame import RAW_INDICATORS

ROOT = Path(__file__).parents[2]
# The libraries that it may import, and their own requirements.
ALLOWED = {
    "numpy", "pandas", "pyarrow", "scipy", "pydantic", "cupy", "cupyx", "cupy_backends", "xgboost", "pynvml",
    "annotated_types", "cuda", "dateutil", "fastrlock", "nvidia", "pydantic_core", "six", "typing_extensions",
    "typing_inspection",
}  # fmt: skip
# Runs the script as if no other package were installed.
ALONE = f"""
import importlib.metadata, runpy, sys
refused = set(importlib.metadata.packages_distributions()) - {ALLOWED!r}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in refused and top not in ("workers", "schemas", "benchmarks"):
            raise ModuleNotFoundError(f"No module named {{top!r}}", name=top)
sys.meta_path.insert(0, Refuse())
sys.argv = ["benchmarks/gpu.py", *sys.argv[1:]]
runpy.run_path("benchmarks/gpu.py", run_name="__main__")
print(sorted(refused & {{"sklearn", "celery", "redis", "typer", "rich", "matplotlib"}} & set(sys.modules)))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120
    )


@pytest.mark.slow
def test_it_starts_with_its_own_libraries_alone() -> None:
    """Every import of the script is of one of its eight libraries or of what they require."""
    result = run("-c", ALONE, "--help")
    assert result.returncode == 0 and "--cpu-only" in result.stdout, result.stderr


@pytest.mark.slow
def test_its_table_needs_none_of_the_other_libraries() -> None:
    """With only its own libraries installed it prints the table, and every GPU cell is "not measured"."""
    result = run("-c", ALONE, "--cpu-only", "--minutes", "0.02")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[-1] == "[]"
    assert max(map(len, lines)) <= 100
    for name in (*RAW_INDICATORS, "session_vwap"):
        assert [line for line in lines if line.split()[:1] == [name] and line.endswith("not measured")], name
    for text in (
        "bars to predictions",
        "xgboost.train alone",
        "same decisions",
        "4 processes",
        "highest utilisation",
        "driver",
    ):
        assert any(text in line for line in lines), text
    rows = [line for line in lines if line.startswith("  ") and line.endswith(("not measured", "no time left"))]
    assert not [line for line in rows if line.endswith("no time left")]


@pytest.mark.slow
@pytest.mark.skipif(not why_no_gpu(), reason="there is a GPU")
def test_without_a_gpu_it_refuses_in_one_line() -> None:
    """Without a GPU and without --cpu-only it prints one line with the reason, no table, and exits with 1."""
    result = run("benchmarks/gpu.py")
    assert result.returncode == 1 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.strip().endswith("use --cpu-only to measure the CPU alone")


def refusal(monkeypatch: pytest.MonkeyPatch, count: int | None, with_libraries: bool = True) -> str:
    """Return the reason if CUDA reports `count` GPUs (None: driver too old), with or without CuPy's libraries."""

    class CUDARuntimeError(RuntimeError):
        pass

    def get_count() -> int:
        if count is None:
            raise CUDARuntimeError("cudaErrorInsufficientDriver: too old")
        return count

    runtime = SimpleNamespace(getDeviceCount=get_count, CUDARuntimeError=CUDARuntimeError)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)))
    for name in ("cupyx", "cupyx.scipy", "cupyx.scipy.signal"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace() if with_libraries else None)
    monkeypatch.setattr("xgboost.build_info", lambda: {"USE_CUDA": True})
    return why_no_gpu()


def test_the_reason_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No device, an old driver, CuPy without CUDA's libraries: each has its own reason; a complete GPU has none."""
    assert refusal(monkeypatch, 0) == "CUDA shows no GPU"
    assert refusal(monkeypatch, None) == "CUDA shows no GPU (cudaErrorInsufficientDriver: too old)"
    assert refusal(monkeypatch, 1, with_libraries=False).startswith(
        "CuPy does not find a CUDA library: install its extra"
    )
    assert refusal(monkeypatch, 1) == ""


def test_a_difference_is_relative_to_the_value_or_the_median_size() -> None:
    """A value near zero is compared by the median size of all; a NaN in only one array is an infinite difference."""
    reference = np.array([np.nan, 1e-30, 2.0, 4.0, 8.0])
    assert relative_difference(reference, reference) == 0.0
    assert relative_difference(reference + 1e-9, reference) == pytest.approx(1e-9 / 3.0, rel=1e-3)
    assert relative_difference(reference * (1 + 1e-6), reference) == pytest.approx(1e-6, rel=1e-3)
    assert relative_difference(np.zeros(5), reference) == np.inf


def test_its_parity_cells_come_from_the_gpus_own_arrays(cupy: ModuleType) -> None:
    """With a GPU side (here a fake CuPy) each indicator has a figure below the tolerance."""
    table = Table(deadline=0.0)
    indicator_parity(table, Side("cuda", cupy))
    cells = [line.split()[-1] for line in table.lines[2:]]
    assert len(cells) == len(RAW_INDICATORS) + 2
    assert all(float(cell) <= 1e-9 for cell in cells)


def test_an_indicator_that_differs_fails_by_name(cupy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a GPU's cumulative sums are 1e-6 too large, every indicator that uses them fails by name."""
    right = cupy.cumsum
    monkeypatch.setattr(cupy, "cumsum", lambda x, axis: right(x, axis=axis) * (1.0 + 1e-6))
    table = Table(deadline=0.0)
    indicator_parity(table, Side("cuda", cupy))
    failed = {line.split()[0] for line in table.lines if line.endswith("FAIL")}
    assert "obv" in failed and "sma_20" not in failed


def gpu_of(driver: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Side:
    """Return a GPU whose NVML binding is `driver`."""
    runtime = SimpleNamespace(
        getDeviceProperties=lambda index: {"name": b"Fake 9000"},
        runtimeGetVersion=lambda: 12090,
        driverGetVersion=lambda: 13000,
    )
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    device = SimpleNamespace(pci_bus_id="0000:3B:00.0")
    return Side("cuda", SimpleNamespace(cuda=SimpleNamespace(Device=lambda index: device, runtime=runtime)))  # type: ignore[arg-type]


def nvml(busy: int | None) -> SimpleNamespace:
    """NVML of one GPU with a utilisation of `busy` percent, or (None) without a reading; `read` is set at a reading."""
    read = threading.Event()

    class NVMLError(Exception):
        pass

    def rates(handle: str) -> SimpleNamespace:
        read.set()
        if busy is None:
            raise NVMLError("Not Supported")
        return SimpleNamespace(gpu=busy)

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "580.1",
        nvmlDeviceGetHandleByPciBusId=lambda bus: bus,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=8 << 30, used=3 << 30),
        nvmlDeviceGetUtilizationRates=rates,
        read=read,
    )


@pytest.mark.parametrize(("busy", "cell"), [(87, "87 %"), (None, "not measured")])
def test_utilisation_is_nvmls_or_not_measured(busy: int | None, cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """NVML's reading during the work is printed with the driver; without a reading the cell is "not measured"."""
    driver = nvml(busy)
    gpu = gpu_of(driver, monkeypatch)
    with gauged(gpu) as gauge:
        assert driver.read.wait(60)
    table = Table(deadline=0.0)
    circumstances(table, gpu, gauge)
    text = "\n".join(table.lines)
    assert f"highest utilisation  {cell}" in text
    assert ("highest memory       3,072 of 8,192 MiB" in text) is (busy is not None)
    assert "GPU     Fake 9000" in text and "driver  580.1" in text and "12090" in text


def test_without_a_gpu_nothing_is_gauged() -> None:
    """A CPU run does not read NVML, even if it is installed."""
    with gauged(None) as gauge:
        pass
    assert gauge == Gauge()
