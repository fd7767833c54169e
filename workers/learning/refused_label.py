"""Refuses, before anything is trained, a plug-in's label that reads bars or side data after its end."""

from collections.abc import Mapping
from functools import lru_cache

from schemas.config.training import TrainingSettings
from schemas.contract.errors import DataError
from workers.features.analysis import Analysis, Panel
from workers.learning.history import CACHED_FEATURES, History
from workers.learning.label_analysis import reads_beyond
from workers.learning.plugged_label import bar_labels, labels_here
from workers.side.store import side_of

# A label that reads one bar too many may differ in one row per cut, or in none: more cuts than for features.
IN_A_RUN = Analysis(early=(5, 21, 89), cuts=12)
# The panel that was checked last in this process, with the run's settings, and what was found.
_checked: list[tuple[Panel, TrainingSettings, str]] = []


def refuse_faulty_label(histories: Mapping[str, History], settings: TrainingSettings) -> None:
    """DataError if the run's label is a plug-in's and reads beyond its end on the bars of `histories`.

    A label that takes the panel is checked on the bars of all symbols.
    """
    if settings.label_source is None:
        return
    if settings.label_compares:
        panel = next(iter(histories.values())).panel
        faults = [_fault_of_panel(panel, settings)]
    else:
        faults = [_fault(symbol, history, settings) for symbol, history in histories.items()]
    if fault := next(filter(None, faults), ""):
        raise DataError(f"{fault}; nothing was trained")


@lru_cache(maxsize=CACHED_FEATURES)
def _fault(symbol: str, history: History, settings: TrainingSettings) -> str:
    """Why the label is refused on the bars of a symbol; empty if it is not."""
    return _beyond({symbol: history.series}, settings)


def _fault_of_panel(panel: Panel, settings: TrainingSettings) -> str:
    """Why the label is refused on the bars of all symbols; empty if it is not. All windows of a run share a panel."""
    if not (_checked and _checked[0][0] is panel and _checked[0][1] == settings):
        _checked[:] = [(panel, settings, _beyond(panel, settings))]
    return _checked[0][2]


def _beyond(panel: Panel, settings: TrainingSettings) -> str:
    assert settings.plugged is not None
    label, timezone = labels_here()[settings.label], settings.plugged.timezone
    side = side_of(settings.plugged.label_side)
    whole = bar_labels(label, panel, timezone, side)
    fault = reads_beyond(panel, label, whole, timezone, 0, IN_A_RUN, side)
    return f"label {label.name} of {label.path} line {label.line}: {fault}" if fault else ""
