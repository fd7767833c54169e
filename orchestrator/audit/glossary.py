"""The glossary: its terms, and a page's marks of those that it uses."""

import re
import tomllib
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

from orchestrator.audit import line_breaks

TERMS = Path(__file__).with_name("glossary.toml")
# How texts write a term, where it is not the term itself.
WRITTEN = {
    "95 % interval": "confidence interval", "95 %": "confidence interval", "Sharpe": "Sharpe ratio",
    "ECE": "calibration error", "Brier": "Brier score", "p": "p value", "max. drawdown": "drawdown",
    "breaks even, bps": "break-even cost", "capacity, M": "capacity", "spread of tails, bps": "spread of tails",
    "traded per day": "turnover", "alpha, bps per day": "alpha", "in the market": "exposure",
    "label permutation": "permutation",
    "worst fall": "drawdown", "configurations": "trial", "configuration": "trial", "luck": "p value",
    "probability of backtest overfitting": "probability of overfitting", "the market": "always long",
}  # fmt: skip


def glossary() -> dict[str, str]:
    """All terms with their meanings, in alphabetical order."""
    found = _tables()
    return dict(sorted((found["numbers"] | found["words"]).items(), key=lambda pair: pair[0].lower()))


def place_of(term: str) -> str:
    """The id of the element that explains a term."""
    return "term-" + re.sub(r"\W+", "-", term.lower())


@cache
def _tables() -> dict[str, dict[str, str]]:
    return tomllib.loads(TERMS.read_text(encoding="utf-8"))


@cache
def _pattern() -> re.Pattern[str]:
    names = sorted(_tables()["numbers"].keys() | WRITTEN.keys(), key=len, reverse=True)
    return re.compile("|".join(rf"(?<![\w-]){re.escape(str(escape(name)))}(?![\w-])" for name in names))


class Marks:
    """The terms that one page has explained so far; each is marked where it occurs first."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    @property
    def used(self) -> dict[str, str]:
        """Every term that was marked, with its meaning, in alphabetical order."""
        return {name: meaning for name, meaning in glossary().items() if name in self._used}

    def sentence(self, text: str) -> Markup:
        """Escape a text and mark each term in it that the page has not marked yet."""
        marked = _pattern().sub(lambda found: self._mark(found[0], again=False), line_breaks.options(text))
        return line_breaks.numbers(line_breaks.joined(marked))

    def heading(self, text: str) -> Markup:
        """Escape a heading of a table; a term is marked wherever it stands."""
        return Markup(self._mark(str(escape(text)), again=True))

    def _mark(self, text: str, *, again: bool) -> str:
        term = WRITTEN.get(text, text)
        meaning = _tables()["numbers"].get(term)
        if meaning is None or (term in self._used and not again):
            return text
        self._used.add(term)
        return (
            f'<button type="button" class="term" popovertarget="{place_of(term)}" title="{escape(meaning)}">{text}'
            "</button>"
        )
