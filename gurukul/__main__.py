"""The program `gurukul`: the commands of `orchestrator`, and `workers` beside them."""

from schemas.terminal.program import run_program


def main() -> None:
    """Run the command line."""
    run_program("gurukul", _start)


def _start() -> None:
    from orchestrator.cli import cli
    from workers.cli import cli as workers

    cli.add_typer(workers, name="workers", rich_help_panel="Operate")
    cli(prog_name="gurukul")


if __name__ == "__main__":
    main()
