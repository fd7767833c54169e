"""The program `orchestrator`."""

import sys

from schemas.contract.extras import explain_missing, missing_modules


def main() -> None:
    """Run the command line; exit with 2 where the extra [orchestrator] is not installed."""
    try:
        if missing := missing_modules(["orchestrator"]):
            print(f"orchestrator: {explain_missing(missing)}", file=sys.stderr)
            sys.exit(2)
        from orchestrator.cli import cli

        cli()
    except KeyboardInterrupt:  # while modules are imported; a command has its own words
        print("orchestrator: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
