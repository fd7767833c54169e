"""A run keeps the bars that it has read, so that `replay` works after a vendor has corrected them."""

import os
from contextlib import suppress
from pathlib import Path

from schemas.contract.coverage import Coverage, CoverageTable
from schemas.files.layout import BarsLayout, RunLayout
from schemas.store.mirror import Mirror, has_digest


def keep_bars(layout: RunLayout, bars: BarsLayout, known: CoverageTable) -> None:
    """Link the stored bars of a plan into the run's folder: they take no room until an ingestion replaces them.

    A file system without links keeps none; a store has them by digest.
    """
    for symbol, row in known.symbols.items():
        _link(bars.bars(symbol), layout.kept_bars(row.sha256))


def fetch_kept(mirror: Mirror, layout: RunLayout, bars: BarsLayout, row: Coverage) -> None:
    """Bring the bars of a symbol that a run of another host has read into the run's folder.

    They become the stored bars of the symbol only if this host has none: its own may be newer.
    """
    stored, kept = bars.bars(row.symbol), layout.kept_bars(row.sha256)
    if has_digest(stored, row.sha256):
        _link(stored, kept)
    mirror.pull_bars(bars, kept, row.sha256)
    _link(kept, stored)
    if not stored.exists():  # a file system without links
        mirror.pull_bars(bars, stored, row.sha256)


def _link(path: Path, other: Path) -> None:
    """Link a file under `other`; nothing if there is a file already, or the disk has no links."""
    other.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        os.link(path, other)
