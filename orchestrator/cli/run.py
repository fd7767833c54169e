"""`orchestrator run`."""

import typer

from orchestrator.cli.config_flags import with_config
from orchestrator.cli.run_report import print_report
from orchestrator.terminal.console import Console
from schemas.config.run import RunConfig


@with_config(RunConfig)
def run(config: RunConfig) -> None:
    """Train, judge and audit: a whole run.

    \b
    Examples:
      orchestrator run
      orchestrator run --source csv:bars --symbols TCS,INFY \\
        --start-date 2022-01-01 --end-date 2024-12-31
    """
    from orchestrator.runs import session

    console = Console(stderr=config.json_summary)
    layout, code = session.start(config, console)
    print_report(layout, console, code, as_json=config.json_summary)
    raise typer.Exit(code)
