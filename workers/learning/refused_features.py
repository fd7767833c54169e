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

# `orchestrator check` cuts more often; here every symbol is checked, and each window's certificate cuts once more.
IN_A_RUN = Analysis(early=(5, 21, 89), cuts=4, beginnings=2, notes=False)


def refuse_faulty_features(histories: Mapping[str, History], settings: TrainingSettings) -> None:
    """DataError names the first feature of a plug-in that fails the analysis on the bars of `histories`."""
    if settings.plugged is None:
        return
    for symbol, history in histories.items():
        if faults := _faults(symbol, history, settings):
            raise DataError(f"{faults[0]}; nothing was trained")


@lru_cache(maxsize=CACHED_FEATURES)
def _faults(symbol: str, history: History, settings: TrainingSettings) -> tuple[str, ...]:
    """Why features are refused on the bars of a symbol, or of its panel for those that take it."""
    assert settings.plugged is not None
    columns = {name.removeprefix(RANK) for name in names_of(settings.feature_set)}
    chosen = [each for name, each in features_here().items() if name in columns]
    found = []
    for panel in (False, True):
        bars: Panel = history.panel if panel else {symbol: history.series}
        features = [each for each in chosen if each.panel is panel]
        if features and bars:
            found += check_features(bars, features, settings.plugged.timezone, history.intraday, 0, IN_A_RUN)
    paths = {each.name: each.path for each in chosen}
    return tuple(f"feature {each.name} of {paths[each.name]}: {fault}" for each in found for fault in each.faults)
