"""The commands that README, CONTRIBUTING and docs/*.md show, in code blocks and in running text."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:orchestrator|workers|make) [^`]+)`")
PROGRAM = re.compile(r"(?:\w+=\S+ )*(orchestrator|workers|make) ")


class Documented(NamedTuple):
    """A command and the page that shows it."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def pages() -> list[Path]:
    """Pages for users and contributors."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _lines(text: str) -> Iterator[str]:
    for language, block in FENCED.findall(text):
        if language in ("", "sh", "bash"):
            yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())
    yield from (" ".join(each.split()) for each in INLINE.findall(FENCED.sub("", text)))


def documented(program: str) -> list[Documented]:
    """Every command of a program, in the order of the pages, each once; ellipses are left out."""
    found = []
    for page in pages():
        for line in _lines(page.read_text(encoding="utf-8")):
            match = PROGRAM.match(line)
            if match is None or match[1] != program:
                continue
            words = shlex.split(line[match.start(1) :].removesuffix("&&"), comments=True)[1:]
            found.append(Documented(page.name, tuple(word for word in words if word not in ("...", "…"))))
    return list(dict.fromkeys(found))
