"""What a plug-in file declares: the decorators that mark a user's functions, without any library of arrays."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec, TypeVar, get_args

from schemas.config.interval import INTERVAL_MINUTES, Interval
from schemas.config.plugged_kinds import PluggedKind
from schemas.config.target import CLASS, Target
from schemas.contract.window import MAX_HORIZON_BARS

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Declaration:
    """What a plug-in file offers under a name."""

    name: str


@dataclass(frozen=True)
class FunctionDeclaration(Declaration):
    """A function that a file offers under a name, its own or another."""

    function: Callable[..., Any]


@dataclass(frozen=True)
class FeatureDeclaration(FunctionDeclaration):
    """A function that a file offers as a feature; see `feature`."""

    warmup_bars: int | None
    panel: bool
    formula: str
    side: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelDeclaration(FunctionDeclaration):
    """A function that a file offers as a label; see `label`."""

    horizon_bars: int
    formula: str
    target: Target = CLASS
    panel: bool = False
    side: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelDeclaration(Declaration):
    """A class that a file offers as a kind of model; see `gurukul.model`."""

    own: Any
    facts: PluggedKind


@dataclass(frozen=True)
class GateDeclaration(FunctionDeclaration):
    """A function that a file offers as a gate; see `gurukul.gate`."""

    question: str
    decides: bool


@dataclass(frozen=True)
class SourceDeclaration(FunctionDeclaration):
    """A function that a file offers as a source of bars; see `source`."""

    symbols: tuple[str, ...] | Callable[..., Any]
    intervals: tuple[str, ...]
    adjusted: bool


# What was declared since a loader last took it; a loader runs one file at a time.
_declared: list[Declaration] = []


def declare(declaration: Declaration) -> None:
    """Add what the file that is being loaded offers."""
    _declared.append(declaration)


def take_declarations() -> tuple[Declaration, ...]:
    """What was declared since the last call, in order."""
    found = tuple(_declared)
    _declared.clear()
    return found


def _with_arguments(example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse a decorator that is written without parentheses, as `@gk.feature`, by what to write instead."""

    def wrap(decorator: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(decorator)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if args:
                raise TypeError(f"arguments are missing or have no names; write @gk.{decorator.__name__}({example})")
            return decorator(*args, **kwargs)

        return checked

    return wrap


@_with_arguments("warmup=60")
def feature(
    *, warmup: int | Literal["all"], panel: bool = False, name: str | None = None, formula: str = "",
    side: str | Sequence[str] = (),
) -> Callable[[F], F]:  # fmt: skip
    """Offer a function as a feature, a model input. It stays an ordinary function, which can be called and tested.

    The function takes the bars of one symbol: a pandas DataFrame with the columns open, high, low, close and volume,
    one row per bar, indexed by the bar's instant in the run's time zone. It returns one value per bar, as a Series or
    an array. With `panel` it takes the bars of all symbols: each column, such as `bars["close"]`, is a DataFrame with
    one column per symbol, NaN where a symbol has no bar; it returns such a DataFrame.

    With `side`, the name of a file of side data (`--side NAME=FILE`) or several names, it has a parameter `side`:
    `side["fii"]` is a DataFrame with the index of the bars and the columns of the file, which holds for each bar the
    values known at its decision.

    `warmup`: number of bars before a bar that its value depends on, or "all" where it depends on all earlier bars, as
    an expanding mean does. `name`: the function's own if omitted; `formula`: one line for `orchestrator features`, the
    first line of the docstring if omitted. TypeError or ValueError for a wrong argument.
    """
    if warmup != "all" and (isinstance(warmup, bool) or not isinstance(warmup, int)):
        raise TypeError(f"warmup is a number of bars, such as 60, or 'all', not {warmup!r}")
    if warmup != "all" and warmup < 0:
        raise ValueError(f"warmup is a number of bars, 0 or more, not {warmup}")

    def mark(function: F) -> F:
        bars = None if warmup == "all" else warmup
        read, text = side_names(side, function), _formula(formula, function)
        declare(FeatureDeclaration(name or function.__name__, function, bars, panel, text, read))
        return function

    return mark


@_with_arguments("horizon=10")
def label(
    *, horizon: int, target: Target = CLASS, panel: bool = False, name: str | None = None, formula: str = "",
    side: str | Sequence[str] = (),
) -> Callable[[F], F]:  # fmt: skip
    """Offer a function as a label, what models learn to predict. It stays an ordinary function.

    The function takes the bars of one symbol as a feature's does, later ones included. It returns one value per bar, as
    a Series or an array: 1 where a trade that is decided at the bar's close succeeds, else 0, and NaN where the bar has
    no label. Bars whose horizon is not inside the history have none, whatever is returned. With `target="value"` it
    returns any finite number, such as a return, and models predict its mean.

    With `panel` it takes the bars of all symbols and returns such a DataFrame, with `side` it takes side data, both as
    a feature does. Side data of later bars are those known at the close of these.

    `horizon`: number of bars after the decision that a value may depend on. A function whose labels may end earlier
    returns a pair: the values, and the number of bars after which each is known, from 1 to `horizon`. `name`: the
    function's own if omitted; `formula`: as for a feature. TypeError or ValueError for a wrong argument.
    """
    if isinstance(horizon, bool) or not isinstance(horizon, int):
        raise TypeError(f"horizon is a number of bars, such as 10, not {horizon!r}")
    if not 1 <= horizon <= MAX_HORIZON_BARS:
        raise ValueError(f"horizon is a number of bars from 1 to {MAX_HORIZON_BARS}, not {horizon}")
    if target not in get_args(Target):
        raise ValueError(f"target is 'class' or 'value', not {target!r}")

    def mark(function: F) -> F:
        read, text = side_names(side, function), _formula(formula, function)
        declare(LabelDeclaration(name or function.__name__, function, horizon, text, target, panel, read))
        return function

    return mark


@_with_arguments("symbols=['TCS']")
def source(
    *, symbols: Sequence[str] | Callable[..., Any], intervals: Sequence[Interval] = ("1day",), adjusted: bool = False,
    name: str | None = None,
) -> Callable[[F], F]:  # fmt: skip
    """Offer a function as a source of bars, for `--source plugin:NAME`. It stays an ordinary function.

    The function takes a symbol and returns all its bars: a pandas DataFrame with the columns open, high, low, close and
    volume, in any order, one row per bar. Its index is the instant at which each bar begins, local time of
    `--timezone` where it has no zone. Where it has a parameter `interval`, it receives the length of the bars that is
    asked for; `argument` receives ARGUMENT of `plugin:NAME:ARGUMENT`, "" without one.

    `symbols`: the symbols that it has, or a function that returns them, which may have the same two parameters.
    `intervals`: the lengths of bars that it has. `adjusted`: whether splits and bonus issues are taken out of its
    prices already. `name`: the function's own if omitted. TypeError or ValueError for a wrong argument.
    """
    if isinstance(symbols, str) or not (callable(symbols) or isinstance(symbols, Sequence)):
        raise TypeError(f"symbols is a list of texts, or a function that returns one, not {symbols!r}")
    lengths = (intervals,) if isinstance(intervals, str) else tuple(intervals)
    for each in lengths:
        if each not in INTERVAL_MINUTES:
            raise ValueError(f"intervals has {each!r}, which is none of {', '.join(INTERVAL_MINUTES)}")
    if not lengths:
        raise ValueError("intervals is empty; name the lengths of bars that the source has, such as ['1day']")

    listed = symbols if callable(symbols) else tuple(symbols)

    def mark(function: F) -> F:
        declare(SourceDeclaration(name or function.__name__, function, listed, lengths, adjusted))
        return function

    return mark


def _formula(given: str, function: Callable[..., Any]) -> str:
    """The text of a declaration: the given one, or the first line of the function's docstring."""
    return given or (function.__doc__ or "").strip().partition("\n")[0]


def side_names(side: str | Sequence[str], function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of the side data that a function takes. TypeError unless its parameters are those that it is given."""
    names = (side,) if isinstance(side, str) else tuple(side)
    if not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise TypeError(f"side is a name, or several, such as side='fii', not {side!r}")
    takes = "side" in inspect.signature(function).parameters
    if takes and not names:
        raise TypeError(f"{function.__name__} takes side; declare which it reads, such as side='fii'")
    if names and not takes:
        raise TypeError(f"side={names[0]!r} is declared, and {function.__name__} takes no parameter side; add it")
    return tuple(dict.fromkeys(names))
