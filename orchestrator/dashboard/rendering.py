"""Renders the pages from templates; a value that a template names and does not get is an error."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from orchestrator.audit import line_breaks
from orchestrator.audit import templates as report
from orchestrator.terminal.run_view import duration
from schemas.contract.numbers import NOT_KNOWN

FOLDER = Path(__file__).with_name("templates")
STATIC = Path(__file__).with_name("static")
REPORT = Path(report.__file__).parent

# The colour of a word; one that is not here is grey. Each colour stands beside its word.
TONES = {
    "busy": ("running", "in progress", "teaching", "studying"),
    "good": (
        "ready-for-review", "success", "complete", "here", "promote", "passed", "approved", "deployed", "trained",
        "free", "pass",
    ),
    "wait": (
        "waiting", "interrupted", "cancelled", "leaving", "refused", "hold", "warning", "not computable", "rolled back",
        "waits for a decision",
    ),
    "bad": ("failed", "lost", "reject", "rejected", "not passed", "fail"),
}  # fmt: skip
TONE_OF = {word: tone for tone, words in TONES.items() for word in words}

Cell = str | Markup | None
code, sentence = line_breaks.command, line_breaks.sentence


def page(request: Request, name: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
    """The whole page of a template, as an answer."""
    return HTMLResponse(part(name, request=request, **facts), status_code=status)


def part(name: str, **facts: Any) -> str:
    """Render a template."""
    return _environment().get_template(f"{name}.html.j2").render(facts)


def mark(word: str, tone: str = "") -> Markup:
    """A word beside a dot of its colour, or of that of `tone`."""
    return Markup('<span class="mark {}">{}</span>').format(tone or TONE_OF.get(word, "mute"), word)


def bar(share: float, label: str = "") -> Markup:
    """A share, 0 to 1, as a bar and in percent."""
    shape = '<span class="share"><progress value="{:.4f}" aria-label="{}"></progress> {:.0f} %</span>'
    return Markup(shape).format(share, label or "done", 100.0 * share)


def link(address: str, text: str) -> Markup:
    """A link to an address of this server."""
    return Markup('<a href="{}">{}</a>').format(address, text)


def listed(cells: Sequence[Cell], between: str = " ") -> Markup:
    """Several cells in one; None is left out."""
    return Markup(between).join(escape(each) for each in cells if each is not None)


def when(moment: datetime | str | None) -> str:
    """A moment in the time of this host, to the minute."""
    if moment is None:
        return NOT_KNOWN
    given = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"{given.astimezone():%Y-%m-%d %H:%M}"


def lasting(seconds: float) -> str:
    """A duration with its unit: 8 s, 3:05 min or 1:02:03 h."""
    text = duration(seconds)
    return text + {0: "", 1: " min", 2: " h"}[text.count(":")]


def zone() -> str:
    """The time zone of this host, in which all pages show times."""
    now = datetime.now().astimezone()
    name, offset = now.tzname() or "", f"UTC{now:%:z}"
    return name if name == "UTC" else offset if not name.isalpha() else f"{name} ({offset})"


@cache
def style() -> str:
    """The style sheet: that of the report, and what the dashboard adds."""
    sheets = (REPORT / "report.css.j2", STATIC / "dashboard.css")
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)


@cache
def _environment() -> Environment:
    # A chart's frame shares the report's style and script.
    environment = Environment(
        loader=FileSystemLoader((FOLDER, REPORT)),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {each.__name__: each for each in (mark, bar, link, when, lasting, sentence, zone)}
    environment.globals["code"] = code
    environment.globals["nothing"] = NOT_KNOWN
    return environment
