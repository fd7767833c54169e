"""Renders the audit's pages and texts from templates; a value that a template names and does not get is an error."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestrator.audit.glossary import place_of
from orchestrator.audit.wording import some
from schemas.contract.numbers import between, exact, p_of, percent, shown

TEMPLATES = Path(__file__).parent


def page(name: str, facts: Mapping[str, Any]) -> str:
    """Render template `name`.j2; HTML is escaped."""
    return _environment().get_template(f"{name}.j2").render(facts)


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
    environment.globals |= {each.__name__: each for each in (shown, exact, percent, between, p_of, place_of, some)}
    return environment
