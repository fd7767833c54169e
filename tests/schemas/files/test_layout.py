"""The name of every stored file is written in one module."""

import ast

from schemas.files import layout
from tests.house.sources import below, nodes

NAMES = {
    value for name, value in vars(layout).items() if name.isupper() and isinstance(value, str) and "." in value[1:]
}


def test_a_file_name_is_written_in_the_layout_alone() -> None:
    """No other module repeats the name of an artifact's, release's or signed folder's file."""
    assert {"metadata.json", "predictions.parquet", "feature_importance.csv", "manifest.json"} <= NAMES
    repeated = [
        f"{path}:{node.lineno} {node.value}"
        for package in ("gurukul", "orchestrator", "schemas", "workers")
        for path in below(package)
        if path != "schemas/files/layout.py"
        for node in nodes(path)
        if isinstance(node, ast.Constant) and node.value in NAMES
    ]
    assert not repeated
