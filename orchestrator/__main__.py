"""The program `orchestrator`."""

from schemas.terminal.program import run_program


def main() -> None:
    """Run the command line."""
    run_program("orchestrator", _start)


def _start() -> None:
    from orchestrator.cli import cli

    cli()


if __name__ == "__main__":
    main()
