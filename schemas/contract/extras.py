"""The extras of the package, the modules that each installs, and the command that installs missing ones."""

import importlib.util
from collections.abc import Iterable

# The extra [cpu] stands for the three that bring XGBoost; a GPU host gets the CUDA ones instead.
MODULES = {
    "orchestrator": ("cryptography", "jinja2", "prometheus_client", "rich", "tenacity"),
    "worker": (
        "altair", "arch", "exchange_calendars", "numpy", "pyarrow", "scipy", "sklearn", "statsmodels",
        "vl_convert",
    ),
    "cpu": ("xgboost",),
    "cuda12": ("xgboost", "cupy", "pynvml"),
    "sample": ("bokeh_sampledata",),
    "breeze": ("httpx",),
    "store": ("obstore",),
    "lightgbm": ("lightgbm",),
    "torch": ("torch",),
    "tune": ("optuna", "tomli_w"),
    "onnx": ("onnx", "onnxruntime"),
    "mlflow": ("mlflow",),
}  # fmt: skip


def missing_modules(extras: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Map each of `extras` of which a module is not installed to those modules; imports none of them."""
    found = {extra: tuple(name for name in MODULES[extra] if not _is_installed(name)) for extra in extras}
    return {extra: names for extra, names in found.items() if names}


def explain_missing(missing: dict[str, tuple[str, ...]]) -> str:
    """Return a sentence with the modules that are missing here, and the command that installs them."""
    names = ", ".join(dict.fromkeys(name for modules in missing.values() for name in modules))
    command = f"pip install 'gurukul[{','.join(missing)}]'"
    other = "; with CUDA 13 type cuda13 instead of cuda12" if "cuda12" in missing else ""
    return f"not installed here: {names}; run: {command}{other}"


def training_extras(is_gpu: bool) -> tuple[str, ...]:
    """The extras that a host needs to train on its devices."""
    return ("worker", "cuda12" if is_gpu else "cpu")


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
