"""The program `gurukul`: the commands of `orchestrator`, and `workers` beside them."""

from functools import partial

from schemas.terminal.program import Program, run_program


def main() -> None:
    """Run the command line."""
    run_program("gurukul", _load)


def _load() -> Program:
    from orchestrator.cli import cli
    from workers.cli import cli as workers

    cli.add_typer(workers, name="workers", rich_help_panel="Operate")
    return partial(cli, prog_name="gurukul")


if __name__ == "__main__":
    main()
