"""The commands by section: a new command is one module of this package and one name in `SECTIONS`."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from orchestrator.cli.broker_file import with_broker_file
from orchestrator.cli.error_boundary import guarded
from orchestrator.cli.insecure_tls import with_insecure_tls
from orchestrator.cli.run_choice import with_run_choice
from schemas.terminal.command_help import HELP_SETTINGS, PanelledCommand, WholeWords, held

# Each name is a module of orchestrator.cli with a function, or a Typer group, of the same name.
SECTIONS = {
    "Start": ("run", "tune", "plan", "ingest", "resume", "cancel"),
    "Features": ("new", "check", "features"),
    "Follow": ("watch", "status", "runs", "fetch", "mlflow", "dashboard", "telemetry"),
    "Inspect": ("explain", "replay", "verify", "compare", "export"),
    "Release": ("approve", "reject", "deploy", "rollback", "releases", "predict"),
    "Operate": ("fleet", "doctor", "flower", "metrics", "acl"),
}


class SectionedGroup(WholeWords, TyperGroup):
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
                formatter.write_dl([(name.ljust(width), held(summary)) for name, summary in rows])


def group_of(package: str, sections: Mapping[str, Iterable[str]], *, completion: bool = False) -> typer.Typer:
    """A command group of `package`'s modules, each command inside the error boundary.

    `completion` adds the options that install the completion of a shell.
    """
    group = typer.Typer(
        cls=SectionedGroup, no_args_is_help=True, add_completion=completion, pretty_exceptions_enable=False,
        rich_markup_mode=None, context_settings=HELP_SETTINGS,
    )  # fmt: skip
    for section, names in sections.items():
        for name in names:
            command = getattr(import_module(f"{package}.{name}"), name)
            if isinstance(command, typer.Typer):
                group.add_typer(command, name=name, rich_help_panel=section)
            else:
                own = guarded(with_insecure_tls(with_broker_file(with_run_choice(command))))
                group.command(name, cls=PanelledCommand, context_settings=HELP_SETTINGS, rich_help_panel=section)(own)
    return group
