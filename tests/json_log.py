"""Reads JSON logs in tests."""

import json
from typing import Any


def read_lines(text: str) -> list[dict[str, Any]]:
    """The records of a JSON log; ValueError at the first line that is not JSON."""
    return [json.loads(line) for line in text.splitlines()]
