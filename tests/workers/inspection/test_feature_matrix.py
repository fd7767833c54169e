"""Features of a window's rows as a table."""

from datetime import date
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pytest

from schemas.contract.artifact import StudentMetadata, TeacherMetadata
from schemas.contract.errors import DataError
from schemas.contract.window import Window
from schemas.files.layout import BarsLayout
from schemas.files.run_files import read_manifest
from tests.workers.judging.runs import WARM, stored_run
from workers.bars import store
from workers.inspection.explanation import StoredWindow
from workers.inspection.feature_matrix import window_table


@pytest.mark.parametrize("compares", [False, True])
def test_a_window_needs_the_bars_of_its_symbols(tmp_path: Path, compares: bool) -> None:
    """Those of other symbols are not read, unless features compare symbols."""
    layout = stored_run(tmp_path, symbols=2, features="own,cross-section" if compares else "own")
    bars = BarsLayout.under(tmp_path, "1day")
    stored = store.read(bars.bars("S0"))
    assert stored is not None
    instants = stored[0].timestamp[WARM : WARM + 3].astype("M8[us]")
    days = instants.astype("M8[D]")
    columns = {"symbol": ["S0"] * 3, "label": [0, 1, 0], "forward_return": [0.0] * 3}
    columns |= {"timestamp": instants, "label_end": instants, "session": days, "label_end_session": days}
    scored = pa.table(columns)
    trained = scored.append_column("part", pa.array(["fit"] * 3)).append_column("weight", pa.array([1.0] * 3))
    window = Window(symbol="S0", start=date(2019, 1, 1), end=date(2019, 6, 1), score_end=date(2019, 7, 1))
    unused = cast("TeacherMetadata", None), cast("StudentMetadata", None)
    found = StoredWindow(window, tmp_path, *unused, trained, scored)
    bars.bars("S1").unlink()
    if compares:
        with pytest.raises(DataError, match="S1"):
            window_table(found, read_manifest(layout), str(tmp_path))
        return
    table = window_table(found, read_manifest(layout), str(tmp_path))
    assert table["part"].to_pylist() == ["fit"] * 3 + ["scored"] * 3
    expected = np.diff(np.log(stored[0].close))[WARM - 1 : WARM + 2]
    assert np.asarray(table["return_1"]).tolist() == pytest.approx([*expected, *expected])
