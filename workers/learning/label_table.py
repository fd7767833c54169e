"""Columns of `labels.csv.gz`: every training row of a window, how it was used, and what was predicted of it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from workers.bars.series import Ints
from workers.features.frame import RAW_INDICATORS
from workers.learning.history import History
from workers.learning.window import TrainedTeacher


def label_columns(histories: Mapping[str, History], trained: TrainedTeacher) -> dict[str, NDArray[np.generic]]:
    """Columns of `labels.csv.gz`: one value per training row, raw indicators in price units, instants in UTC."""
    sample = trained.sample
    part = np.full(len(sample), "fit", dtype=object)
    part[trained.split.purged] = "purged"
    part[trained.split.tail] = "tail"
    columns: dict[str, NDArray[np.generic]] = {}
    for symbol, mine in zip(sample.symbols, sample.places, strict=True):
        for name, values in _member_columns(histories[symbol], sample.row[mine]).items():
            columns.setdefault(name, np.empty(len(sample), dtype=values.dtype))[mine] = values
    return {
        "symbol": np.array(sample.symbols, dtype=object)[sample.member],
        **columns,
        "weight": sample.weight,
        "part": part,
        "block": trained.block,
        "fitted_by": trained.fitted_by,
        "teacher_out_of_fold": trained.own,
        **(
            {}
            if trained.without is None
            else {f"opinion_without_{block}": column for block, column in enumerate(trained.without.T)}
        ),
    }


def _member_columns(history: History, row: Ints) -> dict[str, NDArray[np.generic]]:
    bars, labels = history.series, history.labels
    t0, raw = labels.t0[row], history.raw
    return {
        "session": bars.session[t0].astype(np.int32),
        "timestamp": bars.timestamp[t0],
        "entry": bars.timestamp[labels.entry[row]],
        "label_end": bars.timestamp[labels.t1[row]],
        "label_end_session": bars.session[labels.t1[row]].astype(np.int32),
        **{name: getattr(bars, name)[t0] for name in ("open", "high", "low", "close", "volume")},
        **{name: raw[name][t0] for name in RAW_INDICATORS},
        "label": labels.y[row],
        "forward_return": labels.forward_return[row],
        "net_return": labels.net_return[row],
        **({"rank": labels.rank[row]} if np.isfinite(labels.rank[row]).all() else {}),
        "sigma": labels.sigma[row],
        "barrier": labels.barrier[row],
        "tie": labels.tie[row].astype(np.int8),
        "row": row,
    }
