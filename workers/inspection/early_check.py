"""Refuses plug-ins that read later bars before a run starts: measured on made bars, as a run's are not read yet.

What is found is found on any bars. What is not is left to the windows, which measure again on the run's own: features
that have no value on made bars or fail on them, and whatever reads side data.
"""

from collections.abc import Iterable
from contextlib import suppress

import numpy as np

from schemas.contract.errors import DataError
from workers.bars.series import Series
from workers.features.analysis import Analysis, Panel, check_features
from workers.features.plugged import PluggedFeature
from workers.learning.label_analysis import reads_beyond
from workers.learning.plugged_label import PluggedLabel, bar_labels
from workers.plugins.time_limit import within
from workers.side.joined import NO_SIDE

SYMBOLS, BARS = "ABCDEF", 320
FIRST_DAY, DAY_US = 18_263, 86_400 * 10**6  # 2020-01-02
PLAN = Analysis(early=(5, 21, 89), cuts=6, beginnings=0, notes=False)
TIMEZONE = "UTC"
# Slower code is left to the windows as well.
LIMIT_S = 20.0
MEASURED = " (on made bars; `orchestrator check` measures it on yours)"


def early_fault(features: Iterable[PluggedFeature], labels: Iterable[PluggedLabel]) -> str:
    """Why the first of them is refused, with its file; empty if none is."""
    panel = made_panel()
    with suppress(TimeoutError), within(LIMIT_S):
        for feature in features:
            if fault := "" if feature.side else _of_feature(feature, panel):
                return f"feature {feature.name} of {feature.path}: {fault}{MEASURED}"
        for label in labels:
            if fault := "" if label.side else _of_label(label, panel):
                return f"label {label.name} of {label.path}: {fault}{MEASURED}"
    return ""


def _of_feature(feature: PluggedFeature, panel: Panel) -> str:
    bars = panel if feature.panel else {"A": panel["A"]}
    (found,) = check_features(bars, [feature], TIMEZONE, False, 0, PLAN)
    return found.faults[0] if found.faults and found.missing < 1.0 else ""


def _of_label(label: PluggedLabel, panel: Panel) -> str:
    bars = panel if label.panel else {"A": panel["A"]}
    try:
        whole = bar_labels(label, bars, TIMEZONE, NO_SIDE)
    except DataError:
        return ""
    return reads_beyond(bars, label, whole, TIMEZONE, 0, PLAN, NO_SIDE)


def made_panel() -> dict[str, Series]:
    """Random walks of daily bars on weekdays, the same at each call."""
    return {symbol: _walk(seed) for seed, symbol in enumerate(SYMBOLS)}


def _walk(seed: int) -> Series:
    rng = np.random.default_rng(seed)
    days = np.arange(FIRST_DAY, FIRST_DAY + 2 * BARS)
    session = days[(days + 3) % 7 < 5][:BARS].astype(np.int64)  # 1970-01-01 was a Thursday
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, BARS)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0.0, 0.005, BARS))
    spread = np.exp(rng.uniform(0.0, 0.01, (2, BARS)))
    return Series(
        timestamp=session * DAY_US, session=session, open=opened, high=np.maximum(opened, close) * spread[0],
        low=np.minimum(opened, close) / spread[1], close=close, volume=rng.uniform(1e5, 1e6, BARS).round(),
    )  # fmt: skip
