"""The console of the commands: wraps words in a terminal, prints one line per sentence in a pipe."""

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Characters of a table that fits into one line somewhere.
WIDEST = 10_000
HELD = "\0"  # a blank at which no line ends


class Console(RichConsole):
    """A console that a closed pipe silences: the command continues when the program that read its output ends."""

    def __init__(self, *, stderr: bool = False, plain: bool = False, quiet: bool = False) -> None:
        """`plain`: never draw, even where the environment asks for colours, as the kernel of a notebook does."""
        terminal = False if plain else None
        super().__init__(stderr=stderr, quiet=quiet, highlight=False, force_terminal=terminal, force_jupyter=False)

    def on_broken_pipe(self) -> None:
        """Stop printing; later output is discarded."""
        self.quiet = True
        discard(sys.stderr if self.stderr else sys.stdout)

    def table(self, table: Table, names: int | None = None) -> None:
        """Print a table: drawn in a terminal, as lines of cells with tabs between them elsewhere.

        Where a terminal is too narrow for column `names` beside the others, each of its cells has a line of its own.
        """
        columns = [[str(column.header), *map(_cell, column.cells)] for column in table.columns]
        if self.is_terminal:
            wanted = Measurement.get(self, self.options.update(max_width=WIDEST), table).maximum
            if names is None or wanted <= self.width:
                self.print(table)
                return
            others = [(each, table.columns[n].justify) for n, each in enumerate(columns) if n != names]
            padded = [
                [
                    cell.rjust(max(map(len, each))) if justify == "right" else cell.ljust(max(map(len, each)))
                    for cell in each
                ]
                for each, justify in others
            ]
            for name, *cells in zip(columns[names], *padded, strict=True):
                self.print(Text(f"{name}\n  {' '.join(cells)}".rstrip()), soft_wrap=True)
            return
        if not self.quiet:
            try:  # rich would print spaces instead of tabs
                self.file.writelines("\t".join(row) + "\n" for row in zip(*columns, strict=True))
                self.file.flush()
            except BrokenPipeError:
                self.on_broken_pipe()

    def write(self, text: Text | str, indent: str = "", hanging: str = "") -> None:
        """Print one sentence, after `indent`; in a terminal its further lines begin with `indent` and `hanging`.

        No path and no `command` is broken there: a long one runs on, and the terminal breaks it, so it can be copied.
        """
        line = Text(text) if isinstance(text, str) else text
        if self.is_terminal:
            lines = [_wrapped(each, self.width, indent, indent + hanging) for each in line.plain.split("\n")]
            line = _styled("\n".join(lines), line)
        elif indent:
            line = Text(indent) + line
        self.print(line, soft_wrap=True)


def discard(stream: TextIO) -> None:
    """Discard what is written to a stream from now on, also what it still holds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _wrapped(text: str, width: int, first: str, further: str) -> str:
    """A sentence in lines of whole words; what stands between backticks is one word, and so is `95 %`."""
    whole = re.sub(r"`[^`]*`|\d %", lambda found: found[0].replace(" ", HELD), text)
    lines = textwrap.wrap(
        whole, width, initial_indent=first, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines).replace(HELD, " ")


def _styled(lines: str, text: Text) -> Text:
    """A wrapped text in the styles of the text, from which it differs in blanks alone."""
    found = Text(lines, text.style)
    places = [place for place, letter in enumerate(lines) if not letter.isspace()]
    for span in text.spans:
        first, end = (len("".join(text.plain[:place].split())) for place in (span.start, span.end))
        if first < end:
            found.stylize(span.style, places[first], places[end - 1] + 1)
    return found


def _cell(cell: Any) -> str:
    """A cell in one line."""
    return " ".join((cell.plain if isinstance(cell, Text) else str(cell)).split())


def report_files(console: Console, understood: Sequence[str], ignored: Sequence[str]) -> None:
    """Print what was understood of a source's files, and the names of those that were not read, if any."""
    for sentence in understood:
        console.write(sentence)
    if ignored:
        console.write(f"ignored, not the bars of a symbol: {', '.join(ignored)}")
