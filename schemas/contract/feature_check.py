"""The result of an analysis of a feature or a label of a plug-in."""

from typing import Literal

from schemas.contract.base import Frozen


class FeatureCheck(Frozen):
    """What an analysis found of one feature or label on the bars of some symbols.

    `faults` are reasons to refuse it: it reads later bars, its declared warm-up is too short, it has no value. `notes`
    are none: missing values, a constant, a copy of another feature. `missing` is the share of bars after the first
    150 without a value; `seconds` the time per symbol.
    """

    kind: Literal["feature", "label"] = "feature"
    name: str
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    missing: float
    seconds: float
