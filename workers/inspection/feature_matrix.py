"""Writes what a run's models see as one table: of every bar, or of the rows of one window."""

import io
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.config.interval import is_intraday
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.requests import MatrixRequest, MatrixWritten, WindowQuestion
from schemas.files.atomic import write_atomic
from schemas.files.layout import RunLayout
from workers.bars import store
from workers.bars.series import Floats, Ints, Series
from workers.features.chosen import features_of, names_of
from workers.inspection.explanation import StoredWindow, stored_window
from workers.inspection.run_lookup import manifest_of
from workers.plugins.loading import use_plugins
from workers.side.store import use_side_of
from workers.side.universe import with_members

INSTANT = pa.timestamp("us", tz="UTC")
# Of a window's rows, beside the features; scored rows have no weight.
ROW_COLUMNS = ("symbol", "timestamp", "session", "label_end", "label_end_session", "part", "label", "forward_return")


def write_matrix(request: MatrixRequest) -> MatrixWritten:
    """Write `symbol`, `timestamp` (the bar's instant, UTC) and one column per feature; `error` if that is impossible.

    Values are those that the run's models see; null where a feature is undefined. Warm-up is included. Of a window
    the rows that it trained on and those that were scored, with `part`, label and weight.
    """
    try:
        manifest, _ = manifest_of(request)
        use_plugins(manifest.config.plugins)
        use_side_of(request.data_dir)
        names = names_of(manifest.config.training().feature_set)
        if request.label is None:
            table = _of_bars(manifest, request.data_dir, names)
        else:
            question = WindowQuestion(data_dir=request.data_dir, run_id=request.run_id, label=request.label)
            table = window_table(stored_window(question), manifest, request.data_dir)
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        write_atomic(Path(request.out), buffer.getvalue())
    except GurukulError as error:
        return MatrixWritten(error=str(error))
    except OSError as error:
        return MatrixWritten(error=f"{request.out} cannot be written: {error.strerror}")
    return MatrixWritten(rows=len(table), columns=names)


def _of_bars(manifest: RunManifest, data_dir: str, names: tuple[str, ...]) -> pa.Table:
    bars, found = _computed(manifest, data_dir, manifest.bars.symbols if manifest.bars else ())
    matrix = np.concatenate([found[symbol] for symbol in bars]) if bars else np.empty((0, len(names)))
    instants = np.concatenate([each.timestamp for each in bars.values()]) if bars else np.empty(0, dtype=np.int64)
    symbols = [symbol for symbol, each in bars.items() for _ in range(len(each))]
    columns = {"symbol": pa.array(symbols, pa.string()), "timestamp": pa.array(instants, INSTANT)}
    return pa.table(columns | _columns(names, matrix, columns))


def window_table(stored: StoredWindow, manifest: RunManifest, data_dir: str) -> pa.Table:
    """A window's rows, trained on and scored, with their features."""
    names = names_of(manifest.config.training().feature_set)
    scored = stored.scored.append_column("part", pa.array(["scored"] * len(stored.scored), pa.string()))
    parts = [stored.trained.select([*ROW_COLUMNS, "weight"]), scored.select(ROW_COLUMNS)]
    rows = pa.concat_tables(parts, promote_options="permissive")
    for name in ("timestamp", "label_end"):
        rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(INSTANT))
    symbol, timestamp = np.asarray(rows["symbol"].to_pylist()), np.asarray(rows["timestamp"].cast(pa.int64()))
    bars, found = _computed(manifest, data_dir, np.unique(symbol).tolist())
    matrix = np.empty((len(rows), len(names)))
    for name in np.unique(symbol):
        mine = np.flatnonzero(symbol == name)
        matrix[mine] = found[name][_places(bars[name], timestamp[mine])]
    columns = dict(zip(rows.column_names, rows.columns, strict=True))
    return pa.table(columns | _columns(names, matrix, columns))


def _computed(
    manifest: RunManifest, data_dir: str, symbols: Collection[str]
) -> tuple[dict[str, Series], Mapping[str, Floats]]:
    """The bars of symbols of a run, as it read them, and their features; of all if features compare symbols."""
    settings = manifest.config.training()
    layout = RunLayout.under(data_dir, manifest.run_id)
    known = manifest.bars.symbols if manifest.bars else {}
    wanted = known if settings.feature_set.compares else symbols
    digests = {symbol: known[symbol].sha256 for symbol in sorted(wanted)}
    paths = {symbol: layout.bars_read(settings.interval, symbol, digests[symbol]) for symbol in digests}
    bars = {
        symbol: with_members(symbol, store.load(paths[symbol], digests[symbol]), settings.members) for symbol in paths
    }
    return bars, features_of(bars, settings.feature_set, is_intraday(settings.interval)) if bars else {}


def _places(series: Series, timestamp: Ints) -> Ints:
    return np.searchsorted(series.timestamp, timestamp)


def _columns(names: tuple[str, ...], matrix: Floats, taken: Collection[str]) -> dict[str, pa.Array]:
    if both := set(names) & set(taken):
        raise RequestError(f"feature {min(both)} has the name of another column of the table; rename it to write one")
    return {name: pa.array(values, mask=np.isnan(values)) for name, values in zip(names, matrix.T, strict=True)}
