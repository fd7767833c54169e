"""Execute the notebooks of the documentation in their order, and store what they print.

Run: python docs/notebooks.py
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).with_name("notebooks")
# The second one reads the run of the first.
NOTEBOOKS = ("first-steps", "own-feature")


def executed(folder: Path) -> Iterator[tuple[Path, NotebookNode]]:
    """Each notebook and what it becomes when it is executed in `folder`, with a ledger of trials of its own."""
    for name in NOTEBOOKS:
        path = FOLDER / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        with patch.dict(os.environ, {"XDG_STATE_HOME": str(folder / "state")}):
            client = NotebookClient(
                notebook, timeout=600, kernel_name="python3", record_timing=False, coalesce_streams=True,
                resources={"metadata": {"path": str(folder)}},
            )  # fmt: skip
            client.execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        notebook.metadata = nbformat.from_dict({"language_info": {"name": "python"}})
        yield path, notebook


def main() -> None:
    """Write each notebook with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        for path, notebook in executed(Path(folder)):
            nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
