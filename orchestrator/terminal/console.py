"""The console of the commands: wraps words in a terminal, prints one line per sentence in a pipe."""

import os
import sys
import textwrap
from collections.abc import Sequence

from rich.console import Console as RichConsole
from rich.text import Text


class Console(RichConsole):
    """A console that a closed pipe silences: the command continues when the program that read its output ends."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False)

    def on_broken_pipe(self) -> None:
        """Stop printing; later output is discarded."""
        self.quiet = True
        stream = sys.stderr if self.stderr else sys.stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

    def write(self, text: Text | str, indent: str = "") -> None:
        """Print one sentence."""
        line = Text(text) if isinstance(text, str) else text
        if self.is_terminal and indent:
            line = Text(textwrap.fill(line.plain, self.width, initial_indent=indent, subsequent_indent=indent))
        elif indent:
            line = Text(indent) + line
        self.print(line, soft_wrap=not self.is_terminal)


def report_files(console: Console, understood: Sequence[str], ignored: Sequence[str]) -> None:
    """Print what was understood of a source's files, and the names of those that were not read, if any."""
    for sentence in understood:
        console.write(sentence)
    if ignored:
        console.write(f"ignored, not the bars of a symbol: {', '.join(ignored)}")
