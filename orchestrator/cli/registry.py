"""The commands by section: a new command is one module of this package and one name in `SECTIONS`."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from orchestrator.cli.broker_file import with_broker_file
from orchestrator.cli.error_boundary import guarded

# Each name is a module of orchestrator.cli with a function, or a Typer group, of the same name.
SECTIONS = {
    "Train": ("run", "resume", "cancel", "plan", "ingest"),
    "Follow": ("watch", "status", "runs", "fetch", "dashboard", "telemetry"),
    "Examine": ("explain", "replay", "verify", "compare"),
    "Release": ("approve", "reject", "deploy", "rollback", "releases", "predict"),
    "Operate": ("fleet", "doctor", "flower", "metrics", "acl"),
}


class SectionedGroup(TyperGroup):
    """A command group whose help has one heading per section, and the whole summary of every command."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each section's commands; a summary that is too long for its line is wrapped, not cut."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            summary = (command.help or "").split("\n\n")[0].split(". ")[0].replace("\n", " ").rstrip(".")
            sections.setdefault(str(getattr(command, "rich_help_panel", "Commands")), []).append((name, summary + "."))
        width = max(map(len, self.commands))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(width), summary) for name, summary in rows])


def group_of(package: str, sections: Mapping[str, Iterable[str]]) -> typer.Typer:
    """A command group of `package`'s modules, each command inside the error boundary."""
    group = typer.Typer(
        cls=SectionedGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )  # fmt: skip
    for section, names in sections.items():
        for name in names:
            command = getattr(import_module(f"{package}.{name}"), name)
            if isinstance(command, typer.Typer):
                group.add_typer(command, name=name, rich_help_panel=section)
            else:
                group.command(name, rich_help_panel=section)(guarded(with_broker_file(command)))
    return group
