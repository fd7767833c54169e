"""Refuses, before anything is trained, plug-ins' features that read later bars or need more bars than they declare."""

from collections.abc import Mapping
from functools import lru_cache

from schemas.config.features import RANK
from schemas.config.training import TrainingSettings
from schemas.contract.errors import DataError
from workers.features.analysis import Analysis, Panel, check_features
from workers.features.chosen import names_of
from workers.features.plugged import features_here
from workers.learning.history import CACHED_FEATURES, History
from workers.side.store import side_of

# `orchestrator check` cuts more often; here every symbol is checked, and each window's certificate cuts once more.
IN_A_RUN = Analysis(early=(5, 21, 89), cuts=4, beginnings=2, notes=False)


def refuse_faulty_features(histories: Mapping[str, History], settings: TrainingSettings) -> None:
    """DataError names the first feature of a plug-in that fails the analysis on the bars of `histories`."""
    if settings.plugged is None:
        return
    units = [(symbol, history, False) for symbol, history in histories.items()]
    # All symbols have one panel, so it is checked with the first.
    for symbol, history, on_panel in [*units, (*units[0][:2], True)]:
        if faults := _faults(symbol, history, on_panel, settings):
            raise DataError(f"{faults[0]}; nothing was trained")


@lru_cache(maxsize=CACHED_FEATURES + 1)  # the symbols of a panel whose features are kept, and the panel
def _faults(symbol: str, history: History, on_panel: bool, settings: TrainingSettings) -> tuple[str, ...]:
    """Why features are refused on the bars of a symbol, or those that take a panel on the bars of its panel."""
    assert settings.plugged is not None
    columns = {name.removeprefix(RANK) for name in names_of(settings.feature_set)}
    chosen = [each for name, each in features_here().items() if name in columns and each.panel is on_panel]
    if not chosen:
        return ()
    bars: Panel = history.panel if on_panel else {symbol: history.series}
    side = side_of(settings.plugged.side)
    found = check_features(bars, chosen, settings.plugged.timezone, history.intraday, 0, IN_A_RUN, side)
    paths = {each.name: each.path for each in chosen}
    return tuple(f"feature {each.name} of {paths[each.name]}: {fault}" for each in found for fault in each.faults)
