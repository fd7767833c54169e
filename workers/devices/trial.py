"""Train one round on each GPU before work is sent there: an XGBoost that is built for CUDA may still not run."""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from schemas.contract.child_process import safe_environment
from schemas.contract.device import Device, DeviceKind
from schemas.contract.errors import RequestError
from schemas.terminal.quick_import import quick_import
from workers.devices.arrays import array_module
from workers.devices.pinning import current_device, pinned_environment, refuse_wrong_cuda, refuse_wrong_device

# A first context with compiled kernels takes seconds; not measured on a GPU.
DEADLINE_S = 120.0
ROWS = 64

CHILD = "from workers.devices.trial import main; main()"


def refuse_untrainable(devices: Sequence[Device]) -> None:
    """RequestError unless a process pinned to each GPU of `devices` trains one round there; CPU devices are not tried.

    Each GPU has a child process of its own, all at once, so that a crash or a CUDA context does not stay here.
    """
    gpus = [device for device in devices if device.kind is DeviceKind.GPU]
    if gpus:
        with ThreadPoolExecutor(len(gpus)) as pool:
            list(pool.map(_refuse_untrainable, gpus))


def _refuse_untrainable(device: Device) -> None:
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-c", CHILD],
            env=safe_environment() | pinned_environment(device),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
    except subprocess.TimeoutExpired:
        raise RequestError(f"{device.name} did not train one round in {DEADLINE_S:g} s; see `nvidia-smi`") from None
    if child.returncode:
        how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
        reason = (child.stderr.strip().splitlines() or [how])[-1]
        raise RequestError(f"{device.name} does not train: {reason.removeprefix(f'{device.name}: ')}")


def main() -> None:
    """Train one round on this process's GPU; ends the process with one line on stderr if that fails."""
    try:
        device = current_device()
        refuse_wrong_device(device)
        refuse_wrong_cuda(device)
        with quick_import("sklearn", "pandas"):  # 1.5 s of CPU, unused here
            import xgboost  # noqa: F401
        train_one_round()
    except Exception as error:  # whatever CUDA raises is the reason
        sys.exit(str(error).strip().partition("\n")[0] or type(error).__name__)


def train_one_round() -> None:
    """Train one round on CUDA from rows in its memory. RequestError if XGBoost trained elsewhere."""
    import xgboost as xgb

    xp = array_module("cuda")
    x = xp.arange(ROWS).reshape(-1, 1)
    booster = xgb.train({"device": "cuda", "tree_method": "hist"}, xgb.QuantileDMatrix(x, x[:, 0]), 1)
    found = json.loads(booster.save_config())["learner"]["generic_param"]["device"]
    if not str(found).startswith("cuda"):
        # XGBoost only warns where it is built without CUDA or finds no usable GPU.
        raise RequestError(
            f"XGBoost trained on {found}, not on CUDA; install an extra [cuda12] or [cuda13] that fits the driver"
        )
