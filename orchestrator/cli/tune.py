"""`orchestrator tune`."""

import typer

from orchestrator.cli.config_flags import with_config
from orchestrator.cli.study_report import print_study
from orchestrator.terminal.console import Console
from schemas.config.tuning import TuneConfig


@with_config(TuneConfig)
def tune(config: TuneConfig) -> None:
    """Search for settings on days before those that a run scores.

    Each trial is a run on the same fleet; best.toml in the study's folder has the best settings, for `run --config`.

    \b
    Examples:
      orchestrator tune --space space.toml --tune-end 2010-01-01
      orchestrator tune --space space.toml --tune-end 2023-07-01 --trials 50 \\
        --source csv:bars --start-date 2020-01-01 --end-date 2024-12-31
    """
    from orchestrator.tuning import session

    console = Console(stderr=config.json_summary)
    layout, code = session.start(config, console)
    print_study(layout, console, code, as_json=config.json_summary)
    raise typer.Exit(code)
