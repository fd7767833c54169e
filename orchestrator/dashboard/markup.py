"""Tables and marks as HTML: text that phones wrap, screen readers read and searches find."""

import re
from collections.abc import Sequence
from html import escape

from orchestrator.dashboard.theme import GREY, STATUS_COLOURS


class Markup(str):
    """HTML that is put into a page unchanged; any other string is escaped."""


Cell = str | Markup | None
NOTHING = "\N{EN DASH}"


def mark(word: str) -> Markup:
    """Return a word beside a dot of its colour."""
    colour = STATUS_COLOURS.get(word, GREY)
    return Markup(f'<span class="g-mark"><i style="background:{colour}"></i>{escape(word)}</span>')


def bar(share: float) -> Markup:
    """Return a share, 0 to 1, as a bar and in percent."""
    percent = f"{100.0 * share:.0f}"
    return Markup(
        f'<span class="g-share"><span class="g-bar"><i style="width:{percent}%"></i></span>{percent} %</span>'
    )


def code(text: str) -> Markup:
    """Return a name or command in a fixed-width font."""
    return Markup(f"<code>{escape(text)}</code>")


def plain(text: str) -> str:
    """Escape text so that Markdown does not change it."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:])", r"\\\1", text)


def table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], words: Sequence[str] = ()) -> str:
    """Return a table of numbers; the first column and `words` hold text. With `words`, a phone shows rows as cards."""
    kinds = ["w" if place == 0 or name in words else "n" for place, name in enumerate(headings)]
    head = "".join(f'<th class="{kind}">{escape(name)}</th>' for name, kind in zip(headings, kinds, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f'<td{_kind(kind, cell)} data-name="{escape(name)}">{_text(cell)}</td>'
            for name, kind, cell in zip(headings, kinds, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    cards = " g-cards" if words else ""
    inside = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="g-wide"><table class="g-table{cards}">{inside}</table></div>'


def number(value: float | None, shape: str = ".4g") -> str | None:
    """Format a number for display; None stays None."""
    return None if value is None else format(value, shape)


def _kind(kind: str, cell: Cell) -> str:
    return f' class="{kind}"' if cell else f' class="{kind} g-none"'


def _text(cell: Cell) -> str:
    if cell is None or cell == "":
        return NOTHING
    return cell if isinstance(cell, Markup) else escape(cell)
