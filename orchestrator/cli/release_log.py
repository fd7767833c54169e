"""Output of the commands that write to the release log."""

import json

import typer

from orchestrator.releases.history import Line
from orchestrator.terminal.console import Console


def print_entry(line: Line, sentence: str, as_json: bool) -> None:
    """Print what was recorded: as one sentence, or as the entry with its digest."""
    if as_json:
        typer.echo(json.dumps(line.entry.model_dump(mode="json") | {"sha256": line.sha256}))
    else:
        Console().write(sentence)
