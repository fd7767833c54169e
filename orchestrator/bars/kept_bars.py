"""A run keeps the bars that it has read, so that `replay` works after a vendor has corrected them."""

import os
from contextlib import suppress

from schemas.contract.coverage import CoverageTable
from schemas.files.layout import BarsLayout, RunLayout


def keep_bars(layout: RunLayout, bars: BarsLayout, known: CoverageTable) -> None:
    """Link the stored bars of a plan into the run's folder: they take no room until an ingestion replaces them.

    A file system without links keeps none; a store has them by digest.
    """
    layout.bars.mkdir(exist_ok=True)
    for symbol, row in known.symbols.items():
        with suppress(OSError):
            os.link(bars.bars(symbol), layout.kept_bars(row.sha256))
