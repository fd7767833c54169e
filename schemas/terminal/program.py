"""What begins the programs of a host that decides."""

import sys
from collections.abc import Callable

from schemas.contract.errors import ExitCode
from schemas.contract.extras import explain_missing, missing_modules


def run_program(name: str, start: Callable[[], None]) -> None:
    """Call `start`; exit with 2 where the extra [orchestrator] is not installed, and with 130 after Ctrl-C."""
    try:
        if missing := missing_modules(["orchestrator"]):
            print(f"{name}: {explain_missing(missing)}", file=sys.stderr)
            sys.exit(ExitCode.REFUSED)
        start()
    except KeyboardInterrupt:  # while modules are imported; a command has its own words
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(ExitCode.STOPPED)
