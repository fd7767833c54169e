"""The interface of a gate: what it receives and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.contract.judgement import Criterion, GateReport
from schemas.contract.task import Metric
from workers.judging.evidence import Evidence


@dataclass(frozen=True)
class Findings:
    """What a gate found in a run's evidence.

    `criteria`: its tests, at least one. `inputs`: SHA-256 of each file that this gate reads beyond those of every gate.
    `symbols`: numbers per symbol or feature. `passing`: symbols that pass. `draws`: samples to plot, per criterion.
    """

    criteria: tuple[Criterion, ...]
    inputs: dict[str, str] = field(default_factory=dict)
    symbols: dict[str, dict[str, Metric]] = field(default_factory=dict)
    passing: tuple[str, ...] = ()
    draws: dict[str, tuple[float, ...]] = field(default_factory=dict)


Find = Callable[[Evidence], Findings]
Judge = Callable[[Evidence], GateReport]
