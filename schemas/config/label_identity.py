"""The settings that decide the label of a row, by which runs are compared."""

from typing import NamedTuple

from schemas.config.interval import is_intraday
from schemas.config.side import SideChoice
from schemas.config.training import FIXED, Entry, LabelReturn, ThresholdUnit, TrainingSettings


class LabelIdentity(NamedTuple):
    """The settings that decide the label of a row: two runs with the same values label the same row the same way.

    A field is None where it does not matter: the barriers but for those of barriers, all about the return's threshold
    for `rank` and labels of plug-ins, the cost for gross returns, `cross_session` for daily bars and for labels that no
    volatility decides. `plugin_sha256` is the digest of the plug-in that defines the label, `side` the side data that
    it reads; None for a built-in one.
    """

    label: str
    plugin_sha256: str | None
    side: SideChoice | None
    interval: str
    horizon_bars: int
    threshold: float | None
    threshold_unit: ThresholdUnit | None
    barriers: tuple[float, float] | None
    entry: Entry
    label_return: LabelReturn | None
    round_trip_cost: float | None
    cross_session: bool | None


def label_identity(settings: TrainingSettings) -> LabelIdentity:
    """Return the settings that decide the labels of a run."""
    # Ranks are compared without costs, which are the same for all symbols; labels of plug-ins have their own rule.
    by_return, is_compared = settings.measures_return, settings.compares_return
    barriers = is_compared and settings.label != FIXED
    by_volatility = barriers or (settings.threshold_unit == "sigma" and by_return)
    net = settings.label_return == "net" and by_return
    return LabelIdentity(
        settings.label,
        settings.label_source.sha256 if settings.label_source else None,
        settings.plugged.label_side if settings.plugged else None,
        settings.interval,
        settings.horizon_bars,
        settings.threshold if is_compared else None,
        settings.threshold_unit if by_return else None,
        (settings.take_profit, settings.stop_loss) if barriers else None,
        settings.entry,
        settings.label_return if by_return else None,
        settings.round_trip_cost if net else None,
        settings.cross_session if by_volatility and is_intraday(settings.interval) else None,
    )
