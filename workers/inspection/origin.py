"""Whether a stored artifact is the one that its run's own task would have made: settings, inputs and key."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.contract.artifact import METADATA_KINDS, RunManifest, RunRow, StudentMetadata, TeacherMetadata
from schemas.contract.errors import DataError
from schemas.contract.task import Role
from schemas.files.belonging import OwnRun, foreign_artifact, other_teacher
from schemas.files.layout import METADATA, PREDICTIONS, RunLayout
from schemas.files.run_files import read_model
from workers.bars import store
from workers.bars.calendar import day_number
from workers.bars.series import Series


class Origins:
    """The artifacts of one run, compared with its manifest and with the bars that are still stored."""

    def __init__(self, manifest: RunManifest, layout: RunLayout) -> None:
        self._manifest, self._own, self._layout = manifest, OwnRun(manifest), layout

    def fault(self, row: RunRow) -> str:
        """A sentence with the window and the first field that is not the run's own; empty if there is none."""
        path = self._layout.artifact(row.window_label, row.role) / METADATA
        found = read_model(path, METADATA_KINDS[row.role])
        why = foreign_artifact(found, self._own, row.window_label)
        if not why and row.key != found.key:
            why = f"key is {found.key[:12]}…, {row.role}_runs.json has {str(row.key)[:12]}…"
        if not why and isinstance(found, StudentMetadata):
            why = self._other_teacher(found)
        why = why or self._other_bars(found, path.parent)
        return f"{path} was not made by this run: {why}" if why else ""

    def _other_teacher(self, student: StudentMetadata) -> str:
        try:
            return other_teacher(student, self._layout, self._manifest.config.scope)
        except FileNotFoundError as error:
            return f"{error.filename} is missing"

    def _other_bars(self, found: TeacherMetadata | StudentMetadata, folder: Path) -> str:
        """The first symbol whose bars give another digest; bars that were replaced since prove nothing."""
        window = self._own.window(found.role, folder.parent.name)
        assert window is not None  # its label was found in the plan
        last_read = None if found.role is Role.TEACHER else self._last_read(folder)
        for symbol, digest in found.bars_sha256.items():
            series = self._series(symbol)
            if series is None:
                continue
            if found.role is Role.TEACHER:
                read = int(np.searchsorted(series.session, day_number(window.end)))
            elif last_read is not None:
                read = int(np.searchsorted(series.timestamp, last_read, side="right"))
            else:
                continue
            if series.digest(read) != digest:
                return f"bars_sha256.{symbol} is not that of the run's bars of {symbol}"
        return ""

    def _last_read(self, folder: Path) -> int | None:
        """Instant of the last bar that scoring read: a last scored row's horizon end; None without its bars."""
        table = pq.read_table(folder / PREDICTIONS, columns=["symbol", "timestamp"])
        table = table.set_column(1, "timestamp", table["timestamp"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()))
        found = []
        for each in table.group_by("symbol").aggregate([("timestamp", "max")]).to_pylist():
            series = self._series(each["symbol"])
            if series is None:
                return None
            decided = int(np.searchsorted(series.timestamp, each["timestamp_max"]))
            last = decided + self._manifest.config.training().horizon_bars
            if last >= len(series):
                return None
            found.append(int(series.timestamp[last]))
        return max(found, default=None)

    def _series(self, symbol: str) -> Series | None:
        """The bars that the run was trained on; None if they are no longer stored."""
        known = self._manifest.bars.symbols.get(symbol) if self._manifest.bars is not None else None
        if known is None:
            return None
        try:
            path = self._layout.bars_read(self._manifest.config.interval, symbol, known.sha256)
            return store.load(path, known.sha256)
        except DataError:
            return None
