"""The array module that a device computes with, and the way back to the host."""

import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any  # numpy.ndarray or cupy.ndarray


def array_module(device: str) -> ModuleType:
    """`cupy` for device "cuda", else `numpy`."""
    if device != "cuda":
        return np
    import cupy

    return cupy  # type: ignore[no-any-return]


def cupy_signal() -> ModuleType:
    """`cupyx.scipy.signal`. ImportError where CuPy or a CUDA library that it needs is missing.

    Its first import warns that `cupyx.jit.rawkernel` is experimental, which it uses itself; that warning is ignored.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="cupyx.jit.rawkernel is experimental")
        return import_module("cupyx.scipy.signal")


def take(x: Array, rows: NDArray[np.int64]) -> Array:
    """The rows of `x` at the positions `rows`, on the device that holds `x`."""
    if isinstance(x, np.ndarray):
        return x[rows]
    import cupy

    return x[cupy.asarray(rows)]


def to_host(x: Array) -> NDArray[Any]:
    """`x` as a numpy array."""
    return x if isinstance(x, np.ndarray) else x.get()
