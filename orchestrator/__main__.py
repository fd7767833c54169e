"""The program `orchestrator`."""

from schemas.terminal.program import Program, run_program


def main() -> None:
    """Run the command line."""
    run_program("orchestrator", _load)


def _load() -> Program:
    from orchestrator.cli import cli

    return cli


if __name__ == "__main__":
    main()
