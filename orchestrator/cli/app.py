"""The command group, and how an error becomes one line and an exit code."""

from importlib.metadata import version
from typing import Annotated

import typer

from orchestrator.cli import (
    compare,
    dashboard,
    examine,
    fleet,
    flower,
    ingest,
    inspect,
    metrics,
    release,
    run,
    telemetry,
    watch,
)

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gurukul {version('gurukul')}")
        raise typer.Exit


@cli.callback()
def main(
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train a teacher and a student for every symbol and window, judge them on unseen bars, brief a person.

    Exit codes: 0 all phases done, 2 the request cannot be run, 3 a phase failed, 130 interrupted or cancelled.
    """


cli.command("run")(run.run)
cli.command("ingest")(ingest.ingest)
cli.command("plan")(inspect.plan)
cli.command("runs")(inspect.runs)
cli.command("status")(inspect.status)
cli.command("explain")(examine.explain)
cli.command("replay")(examine.replay)
cli.command("verify")(examine.verify)
cli.command("compare")(compare.compare)
cli.command("approve")(release.approve)
cli.command("reject")(release.reject)
cli.command("deploy")(release.deploy)
cli.command("rollback")(release.rollback)
cli.command("releases")(release.releases)
cli.command("predict")(release.predict)
cli.command("resume")(run.resume)
cli.command("cancel")(fleet.cancel)
cli.command("fleet")(fleet.fleet)
cli.command("watch")(watch.watch)
cli.add_typer(telemetry.group, name="telemetry")
cli.command("flower")(flower.flower)
cli.command("metrics")(metrics.metrics)
cli.command("dashboard")(dashboard.dashboard)
