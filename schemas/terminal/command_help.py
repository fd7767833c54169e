"""Help of a command: its options in panels, each with the type of its value."""

from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperArgument, TyperCommand, TyperOption

from schemas.contract.wrong_value import fault
from schemas.terminal.value_types import choices_of, shown_type

# Panels of options, in the order of a command's help. Options of no panel stand in the last one that the command has.
PANELS = ("Search", "Data", "Windows", "Labels", "Models", "Costs", "Execution", "Output")
OPTIONS = "Options"
# For typer's `context_settings`.
HELP_FLAGS = {"help_option_names": ["-h", "--help"]}


class PanelledCommand(TyperCommand):
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
                panels.setdefault(str(panel or last), []).append(record)
        for heading in ("Arguments", *PANELS, OPTIONS):
            if rows := panels.get(heading):
                with formatter.section(heading):
                    formatter.write_dl(rows)


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
