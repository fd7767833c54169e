"""What a plug-in file declares: the decorators that mark a user's functions, without any library of arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class FeatureDeclaration:
    """A function that a file offers as a feature; see `feature`."""

    name: str
    function: Callable[..., Any]
    warmup_bars: int
    panel: bool
    formula: str


# What was declared since a loader last took it; a loader runs one file at a time.
_declared: list[Any] = []


def declare(declaration: Any) -> None:
    """Append a declaration of the file that runs now."""
    _declared.append(declaration)


def take_declarations() -> tuple[Any, ...]:
    """What was declared since the last call, in order."""
    found = tuple(_declared)
    _declared.clear()
    return found


def feature(*, warmup: int, panel: bool = False, name: str | None = None, formula: str = "") -> Callable[[F], F]:
    """Offer a function as a feature, a model input. It stays an ordinary function, which can be called and tested.

    The function takes the bars of one symbol: a pandas DataFrame with the columns open, high, low, close and volume,
    one row per bar, indexed by the bar's instant in the run's time zone. It returns one value per bar, as a Series or
    an array. With `panel` it takes the bars of all symbols: each column, such as `bars["close"]`, is a DataFrame with
    one column per symbol, NaN where a symbol has no bar; it returns such a DataFrame.

    `warmup`: number of bars before a bar that its value depends on. `name`: the function's own if omitted; `formula`:
    one line for `orchestrator features`, the first line of the docstring if omitted. TypeError or ValueError for a
    wrong argument.
    """
    if isinstance(warmup, bool) or not isinstance(warmup, int):
        raise TypeError(f"warmup is a number of bars, such as 60, not {warmup!r}")
    if warmup < 0:
        raise ValueError(f"warmup is a number of bars, 0 or more, not {warmup}")

    def mark(function: F) -> F:
        text = formula or (function.__doc__ or "").strip().partition("\n")[0]
        declare(FeatureDeclaration(name or function.__name__, function, warmup, panel, text))
        return function

    return mark
