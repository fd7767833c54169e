"""Refuses, before anything is trained, a plug-in's label that reads bars after its end."""

from collections.abc import Mapping
from functools import lru_cache

from schemas.config.training import TrainingSettings
from schemas.contract.errors import DataError
from workers.features.analysis import Analysis
from workers.learning.history import CACHED_FEATURES, History
from workers.learning.label_analysis import reads_beyond
from workers.learning.plugged_label import bar_labels, labels_here

# A label that reads one bar too many may differ in one row per cut, or in none: more cuts than for features.
IN_A_RUN = Analysis(early=(5, 21, 89), cuts=12)


def refuse_faulty_label(histories: Mapping[str, History], settings: TrainingSettings) -> None:
    """DataError if the run's label is a plug-in's and reads bars after its end on the bars of `histories`."""
    if settings.label_source is None:
        return
    for symbol, history in histories.items():
        if fault := _fault(symbol, history, settings):
            raise DataError(f"{fault}; nothing was trained")


@lru_cache(maxsize=CACHED_FEATURES)
def _fault(symbol: str, history: History, settings: TrainingSettings) -> str:
    """Why the label is refused on the bars of a symbol; empty if it is not."""
    assert settings.plugged is not None
    label, timezone = labels_here()[settings.label], settings.plugged.timezone
    whole = bar_labels(label, history.series, timezone, symbol)
    fault = reads_beyond(symbol, history.series, label, whole, timezone, 0, IN_A_RUN)
    return f"label {label.name} of {label.path} line {label.line}: {fault}" if fault else ""
