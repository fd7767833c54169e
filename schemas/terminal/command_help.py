"""Help of a command: its options in panels, each with the type of its value."""

import inspect
import re
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperArgument, TyperCommand, TyperOption

from schemas.contract.wrong_value import fault
from schemas.terminal.value_types import choices_of, shown_type

# Panels of options, in the order of a command's help. Options of no panel stand in the last one that the command has.
PANELS = ("Search", "Data", "Windows", "Labels", "Models", "Costs", "Execution", "Output")
OPTIONS = "Options"
# Columns of the longest option whose text begins in its line, where the terminal is narrow.
NARROW_NAMES = 30
# Longer lines are hard to read; without it, help has 80 columns however wide the terminal is.
WIDEST = 120
# For typer's `context_settings`.
HELP_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": WIDEST}
# A hyphen and a blank at which no line ends.
HYPHEN, BLANK = "\u2011", "\u00a0"


class WholeWords:
    """Help in which no line ends inside a flag, a date or a default."""

    help: str | None

    def get_help(self, ctx: Any) -> str:
        """The base's text."""
        text: str = super().get_help(ctx)  # type: ignore[misc]
        return text.replace(HYPHEN, "-").replace(BLANK, " ")

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(held(inspect.cleandoc(self.help or "")))


def held(text: str) -> str:
    """The text with hyphens, and with blanks before a default or a variable, at which no line ends."""
    named = re.sub(r"default: |env var: ", lambda found: found[0].replace(" ", BLANK), text)
    return named.replace("-", HYPHEN)


class PanelledCommand(WholeWords, TyperCommand):
    """A command whose help has one heading per panel of options, and real types."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for each in self.params:
            if isinstance(each, TyperOption) and not each.is_flag and each.metavar is None:
                each.metavar = shown_type(each.name or "", each.type_descriptor.annotation)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The base's; a wrong or missing value is named as in the help, and described as those of settings are."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if isinstance(error.param, TyperArgument):
                error.param_hint = (error.param.name or "").upper()
            if isinstance(error.param, TyperArgument | TyperOption) and isinstance(error.__cause__, ValidationError):
                error.message = _fault(error.param, error.__cause__)
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments by name, in brackets where one may be left out, and `[OPTIONS]`."""
        arguments = [each for each in self.params if isinstance(each, TyperArgument)]
        return ["[OPTIONS]", *(_argument(each) if each.required else f"[{_argument(each)}]" for each in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options of each panel, in the order of `PANELS`."""
        arguments = [(_argument(each), each.help or "") for each in self.params if isinstance(each, TyperArgument)]
        options = [each for each in self.get_params(ctx) if not isinstance(each, TyperArgument)]
        panel_of = [getattr(each, "rich_help_panel", None) for each in options]
        last = max((str(panel) for panel in panel_of if panel), key=PANELS.index, default=OPTIONS)
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": arguments}
        for each, panel in zip(options, panel_of, strict=True):
            if record := each.get_help_record(ctx):
                panels.setdefault(str(panel or last), []).append((record[0], _plain_bounds(record[1])))
        for heading in ("Arguments", *PANELS, OPTIONS):
            if rows := panels.get(heading):
                with formatter.section(heading):
                    widest_name = max(NARROW_NAMES, formatter.width // 3)
                    formatter.write_dl([(name, held(text)) for name, text in rows], col_max=widest_name)


def _plain_bounds(text: str) -> str:
    """An option's text with the bounds of its value in words, and whole numbers without a point."""
    text = re.sub(r"\b(\d+)\.0\b(?=[;\]<])", r"\1", text)
    return re.sub(r"\bx>=(\S+?)(?=\])", r"at least \1", re.sub(r"(\S+?)<=x<=(\S+?)(?=\])", r"\1 to \2", text))


def _fault(param: TyperArgument | TyperOption, error: ValidationError) -> str:
    """What is wrong with a value that typer refuses."""
    first = error.errors()[0]
    if choices := choices_of(param.type_descriptor.annotation):
        return fault({"type": "enum", "ctx": {"expected": " or ".join(choices)}, "input": first["input"]})
    return fault(first)


def _argument(argument: TyperArgument) -> str:
    """RUN_ID, or the choices of an argument that has some; with dots where there may be several."""
    choices = "|".join(choices_of(argument.type_descriptor.annotation))
    return (choices or (argument.name or "").upper()) + ("..." if argument.nargs != 1 else "")
