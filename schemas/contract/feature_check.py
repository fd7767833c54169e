"""The result of an analysis of a feature."""

from schemas.contract.base import Frozen


class FeatureCheck(Frozen):
    """What an analysis found of one feature on the bars of some symbols.

    `faults` are reasons to refuse it: it reads later bars, its declared warm-up is too short, it has no value. `notes`
    are none: missing values, a constant, a copy of another feature. `missing` is the share of bars after the first
    150 without a value; `seconds` the time per symbol.
    """

    name: str
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    missing: float
    seconds: float
