"""Renders the audit's pages and texts from templates; a value that a template names and does not get is an error."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.audit.glossary import place_of
from orchestrator.audit.line_breaks import command, sentence
from orchestrator.audit.wording import some
from schemas.contract.numbers import between, exact, p_of, percent, shown
from schemas.contract.reason_words import words_for

TEMPLATES = Path(__file__).parent
# What a browser takes for the end of a script, or for a comment that hides that end.
ENDING = re.compile(r"<(/script|!--)", re.IGNORECASE)


def page(name: str, facts: Mapping[str, Any]) -> str:
    """Render template `name`.j2; HTML is escaped."""
    return _environment().get_template(f"{name}.j2").render(facts)


def within_script(text: str) -> Markup:
    """Program text or JSON for a page's `<script>`, escaped so that no string in it ends that element."""
    return Markup(ENDING.sub(r"\\u003c\1", text))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    used = (shown, exact, percent, between, p_of, place_of, some, command, sentence, words_for)
    environment.globals |= {each.__name__: each for each in used}
    return environment
