"""The program `gurukul`: the commands of `orchestrator`, and `workers` beside them."""

import sys

from schemas.contract.extras import explain_missing, missing_modules


def main() -> None:
    """Run the command line; exit with 2 where the extra [orchestrator] is not installed."""
    try:
        if missing := missing_modules(["orchestrator"]):
            print(f"gurukul: {explain_missing(missing)}", file=sys.stderr)
            sys.exit(2)
        from orchestrator.cli import cli
        from workers.cli import cli as workers

        cli.add_typer(workers, name="workers", rich_help_panel="Operate")
        cli(prog_name="gurukul")
    except KeyboardInterrupt:  # while modules are imported; a command has its own words
        print("gurukul: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
