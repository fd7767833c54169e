"""The notebooks of the documentation, executed."""

import re
import runpy
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
PATHS = re.compile(r"(?<![\w.])/(?:tmp|home|root|Users|work|opt|var)/\S+")


def texts(notebook: NotebookNode) -> list[tuple[str, str]]:
    """The source of each cell of code with what it printed; pictures are left out."""
    return [
        (cell.source, "".join(str(each.get("text") or each.data.get("text/plain", "")) for each in cell.outputs))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_notebooks_run_and_print_what_is_stored(tmp_path: Path) -> None:
    """From the first cell to the last, in order; what is stored names no folder of a machine."""
    execute = runpy.run_path(str(ROOT / "docs" / "notebooks.py"))["executed"]
    count = 0
    for path, notebook in execute(tmp_path):
        stored = nbformat.read(path, as_version=4)
        assert texts(notebook) == texts(stored), f"{path.name} is old: python docs/notebooks.py"
        assert not PATHS.findall(path.read_text(encoding="utf-8"))
        count += len(stored.cells)
    assert count > 30
