"""CuPy as far as the indicators and features use it, with numpy underneath: a fake at the edge, no GPU's arithmetic.

It is as narrow as CuPy is: an array that numpy's functions refuse, that takes no numpy array as an operand, and a
module that has only the names below, each of which CuPy 14.2 has (docs.cupy.dev, "Comparison Table").
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

SCALARS = (int, float, bool, np.generic)
FUNCTIONS = (
    "abs", "arange", "broadcast_to", "concatenate", "cumsum", "full", "isfinite", "log", "log1p", "maximum",
    "searchsorted", "sign", "sqrt", "stack", "take_along_axis", "where", "zeros", "zeros_like",
)  # fmt: skip
METHODS = ("copy", "max", "mean", "min", "reshape", "sum", "astype")
BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "and", "or", "eq", "ne", "lt", "le", "gt", "ge",
)  # fmt: skip


class Ndarray:
    """`cupy.ndarray`: arrays and scalars of its own kind alone; `get` is the only way to the host."""

    __array_ufunc__ = None  # numpy's operators leave it alone
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        self._host = host

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __getitem__(self, key: Any) -> "Ndarray":
        return wrap(self._host[unwrap(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._host[unwrap(key)] = unwrap(value)

    def __invert__(self) -> "Ndarray":
        return wrap(~self._host)

    def __neg__(self) -> "Ndarray":
        return wrap(-self._host)

    def __int__(self) -> int:
        return int(self._host)

    def __len__(self) -> int:
        return len(self._host)

    @property
    def shape(self) -> Any:
        return self._host.shape

    @property
    def ndim(self) -> int:
        return self._host.ndim

    @property
    def size(self) -> int:
        return self._host.size

    @property
    def dtype(self) -> Any:
        return self._host.dtype

    def get(self) -> np.ndarray[Any, Any]:
        return self._host.copy()


def wrap(value: Any) -> Ndarray:
    """A device array; what numpy reduces to a scalar CuPy leaves an array without dimensions."""
    return Ndarray(np.asarray(value))


def unwrap(value: Any) -> Any:
    """What numpy computes with; TypeError for a numpy array, as CuPy refuses one."""
    if isinstance(value, Ndarray):
        return value._host
    if isinstance(value, tuple | list):
        return type(value)(unwrap(each) for each in value)
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    return value


def _function(name: str) -> Callable[..., Ndarray]:
    def call(*args: Any, **kwargs: Any) -> Ndarray:
        called.add(name)
        with np.errstate(all="ignore"):  # a GPU raises no floating-point warnings
            return wrap(getattr(np, name)(*map(unwrap, args), **kwargs))

    return call


def _method(name: str) -> Callable[..., Ndarray]:
    def call(self: Ndarray, *args: Any, **kwargs: Any) -> Ndarray:
        return wrap(getattr(self._host, name)(*args, **kwargs))

    return call


def _operator(name: str) -> Callable[[Ndarray, Any], Ndarray]:
    def call(self: Ndarray, other: Any) -> Ndarray:
        other = unwrap(other)
        with np.errstate(all="ignore"):
            return wrap(getattr(self._host, name)(np.asarray(other) if isinstance(other, SCALARS) else other))

    return call


def _in_place(name: str) -> Callable[[Ndarray, Any], Ndarray]:
    def call(self: Ndarray, other: Any) -> Ndarray:
        with np.errstate(all="ignore"):
            getattr(self._host, name)(unwrap(other))
        return self

    return call


for each in METHODS:
    setattr(Ndarray, each, _method(each))
for each in BINARY:
    setattr(Ndarray, f"__{each}__", _operator(f"__{each}__"))
    if each in ("add", "sub", "mul", "truediv"):
        setattr(Ndarray, f"__r{each}__", _operator(f"__r{each}__"))
        setattr(Ndarray, f"__i{each}__", _in_place(f"__i{each}__"))

called: set[str] = set()


def lfilter(b: Ndarray, a: Ndarray, x: Ndarray, axis: int = -1, zi: Ndarray | None = None) -> Any:
    """`cupyx.scipy.signal.lfilter`: its `zi` has the past inputs, then the past outputs, the latest last."""
    import scipy.signal  # half a second that a process which trains alone does not need

    called.add("lfilter")
    hb, ha, hx = b._host, a._host, x._host
    if zi is None:
        return wrap(scipy.signal.lfilter(hb, ha, hx, axis=axis))
    past_in, past_out = len(hb) - 1, len(ha) - 1
    if zi.shape != (*hx.shape[:axis], past_in + past_out):
        raise ValueError(f"zi has shape {zi.shape}, expected a last axis of {past_in + past_out}")
    rows = zi._host.reshape(-1, past_in + past_out)
    state = np.stack([
        scipy.signal.lfiltic(hb, ha, y=row[past_in:][::-1], x=row[:past_in][::-1]) for row in rows
    ]).reshape(*hx.shape[:axis], max(past_in, past_out))  # fmt: skip
    y = scipy.signal.lfilter(hb, ha, hx, axis=axis, zi=state)[0]
    return wrap(y), wrap(np.concatenate([hx[..., hx.shape[-1] - past_in :], y[..., y.shape[-1] - past_out :]], axis=-1))


def asarray(x: Any) -> Ndarray:
    """`cupy.asarray`: a copy on the device."""
    called.add("asarray")
    return x if isinstance(x, Ndarray) else Ndarray(np.array(x))


def modules() -> dict[str, ModuleType]:
    """What `sys.modules` has where CuPy is installed: `cupy`, `cupyx` and the packages down to `lfilter`."""
    cupy, cupyx, scipy_, signal = map(ModuleType, ("cupy", "cupyx", "cupyx.scipy", "cupyx.scipy.signal"))
    vars(cupy).update({name: _function(name) for name in FUNCTIONS}, asarray=asarray, ndarray=Ndarray, nan=np.nan)
    vars(cupyx)["scipy"], vars(scipy_)["signal"], vars(signal)["lfilter"] = scipy_, signal, lfilter
    return {module.__name__: module for module in (cupy, cupyx, scipy_, signal)}
