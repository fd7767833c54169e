"""The decorator that offers a user's function as a gate, and the tests that such a function returns."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

from schemas.contract.judgement import Criterion, Part, Ruling
from schemas.contract.plugin_declarations import GateDeclaration, declare

F = TypeVar("F", bound=Callable[..., Any])


def gate(question: str, *, decides: bool = False, name: str | None = None) -> Callable[[F], F]:
    """Offer a function as a gate: a question that a run's evidence answers. It stays an ordinary function.

    The function takes the evidence that the built-in gates receive (`docs/plugins.md`), and returns one `criterion` or
    a list of them. It judges every run whose `--plugins` name its file.

    `question`: what it asks, as a sentence. `decides`: a criterion that fails rejects the run, and one that cannot be
    computed holds it; otherwise both are warnings. `name`: the function's own if omitted. TypeError or ValueError for
    a wrong argument.
    """
    if not isinstance(question, str):
        raise TypeError("a gate has a question, such as @gk.gate('Does it trade little enough?')")
    if not question.strip():
        raise ValueError("the question of a gate is empty; write what it asks")

    def mark(function: F) -> F:
        declare(GateDeclaration(name or function.__name__, function, " ".join(question.split()), decides))
        return function

    return mark


def criterion(
    name: str, value: float, reason: str, *, at_least: float | None = None, at_most: float | None = None,
    n: int | None = None,
) -> Criterion:  # fmt: skip
    """One test of a gate: a number and the bound that it must keep; without a bound it informs.

    `reason`: the finding as a sentence for the report. `n`: number of rows or days that the number rests on. A value
    that is NaN or infinite is not computable, and does not pass. ValueError for two bounds.
    """
    if at_least is not None and at_most is not None:
        raise ValueError(f"criterion {name!r} has two bounds; make two criteria of it")
    bound, number = at_most if at_least is None else at_least, float(value)
    if not math.isfinite(number):
        why = f"not computable: {reason}: the value is {number}"
        return Criterion(name=name, part=Part.WARNING, ruling=Ruling.NOT_COMPUTABLE, reason=why, n=n)
    passes = (at_least is None or number >= at_least) and (at_most is None or number <= at_most)
    return Criterion(
        name=name, part=Part.INFORMS if bound is None else Part.WARNING,
        ruling=Ruling.PASS if passes else Ruling.FAIL, reason=reason, statistic=number, threshold=bound, n=n,
    )  # fmt: skip
