"""Fake GPUs: doubles of NVML's binding and CUDA's runtime that show as many as a test needs."""

from types import SimpleNamespace

from schemas.contract.device import MIB

TOTAL_MIB = 8192
FIRST_BUS = 0x3B
NOT_SUPPORTED = 3


def unsupported(nvml: SimpleNamespace, *names: str, value: int = NOT_SUPPORTED) -> SimpleNamespace:
    """The driver, whose functions `names` raise the error code `value`: by default "not supported"."""

    def fail(*_: object) -> None:
        raise nvml.NVMLError("Not Supported" if value == NOT_SUPPORTED else "GPU is lost", value)

    for name in names:
        setattr(nvml, name, fail)
    return nvml


def fake_nvml(count: int, free_mib: int = TOTAL_MIB) -> SimpleNamespace:
    """A driver that shows `count` GPUs, each near two cores of its own and with `free_mib` of `TOTAL_MIB` free."""

    class NVMLError(Exception):
        def __init__(self, text: str, value: int = 0) -> None:
            super().__init__(text)
            self.value = value

    def mig_mode(handle: int) -> list[int]:
        raise NVMLError("Not Supported", NOT_SUPPORTED)

    def by_uuid(uuid: str) -> int:
        for index in range(count):
            if uuid == f"GPU-{index:04d}":
                return index
        raise NVMLError("Not Found")

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: count,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=by_uuid,
        nvmlDeviceGetUUID=lambda handle: f"GPU-{handle:04d}",
        nvmlDeviceGetMigMode=mig_mode,
        nvmlDeviceGetName=lambda handle: b"Fake 9000",
        nvmlDeviceGetCpuAffinity=lambda handle, words: [0b11 << (2 * handle)] + [0] * (words - 1),
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(
            total=TOTAL_MIB * MIB, free=free_mib * MIB, used=(TOTAL_MIB - free_mib) * MIB
        ),
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=40 + handle, memory=5),
        nvmlDeviceGetPciInfo=lambda handle: SimpleNamespace(domain=0, bus=FIRST_BUS + handle, device=0),
    )


def no_driver() -> SimpleNamespace:
    """NVML installed on a host without a driver."""
    nvml = fake_nvml(0)

    def fail() -> None:
        raise nvml.NVMLError("driver not loaded")

    nvml.nvmlInit = fail
    return nvml


def fake_cuda(count: int = 1, bus: int = FIRST_BUS + 1) -> SimpleNamespace:
    """CUDA's runtime with `count` visible GPUs, the first on `bus`; without a GPU it raises CUDA's own error."""

    class CUDARuntimeError(RuntimeError):
        pass

    def get_count() -> int:
        if count == 0:
            raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
        return count

    properties = {"uuid": b"\x01", "pciDomainID": 0, "pciBusID": bus, "pciDeviceID": 0}
    return SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError, getDeviceCount=get_count, getDeviceProperties=lambda index: properties
    )
