"""Writes the features of every bar of a run as one table."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.config.interval import is_intraday
from schemas.contract.errors import GurukulError
from schemas.contract.requests import MatrixRequest, MatrixWritten
from schemas.files.atomic import write_atomic
from schemas.files.layout import BarsLayout
from workers.bars import store
from workers.features.chosen import features_of, names_of
from workers.inspection.run_lookup import manifest_of
from workers.plugins.loading import use_plugins
from workers.side.store import use_side_of


def write_matrix(request: MatrixRequest) -> MatrixWritten:
    """Write `symbol`, `timestamp` (the bar's instant, UTC) and one column per feature; `error` if that is impossible.

    Values are those that the run's models see; null where a feature is undefined. Warm-up is included.
    """
    try:
        manifest, _ = manifest_of(request)
        use_plugins(manifest.config.plugins)
        use_side_of(request.data_dir)
        settings = manifest.config.training()
        names, layout = names_of(settings.feature_set), BarsLayout.under(request.data_dir, settings.interval)
        known = manifest.bars.symbols if manifest.bars else {}
        bars = {symbol: store.load(layout.bars(symbol), row.sha256) for symbol, row in sorted(known.items())}
        found = features_of(bars, settings.feature_set, is_intraday(settings.interval)) if bars else {}
        matrix = np.concatenate([found[symbol] for symbol in bars]) if bars else np.empty((0, len(names)))
        instants = np.concatenate([each.timestamp for each in bars.values()]) if bars else np.empty(0, dtype=np.int64)
        symbols = [symbol for symbol, each in bars.items() for _ in range(len(each))]
        columns = {
            "symbol": pa.array(symbols, pa.string()),
            "timestamp": pa.array(instants, pa.timestamp("us", tz="UTC")),
        } | {name: pa.array(values, mask=np.isnan(values)) for name, values in zip(names, matrix.T, strict=True)}
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns), buffer, compression="zstd")
        write_atomic(Path(request.out), buffer.getvalue())
    except GurukulError as error:
        return MatrixWritten(error=str(error))
    except OSError as error:
        return MatrixWritten(error=f"{request.out} cannot be written: {error.strerror}")
    return MatrixWritten(rows=len(matrix), columns=names)
