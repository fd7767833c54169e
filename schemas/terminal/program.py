"""What begins the programs."""

import sys
from collections.abc import Callable, Iterable
from io import TextIOWrapper

from schemas.terminal.quick_import import quick_import

# `ExitCode.STOPPED`, whose module may not be imported yet.
STOPPED = 130

# What the Redis client would import where it is installed, to measure itself: 0.07 s of CPU.
UNUSED = ("opentelemetry",)


Program = Callable[[], object]


def run_program(name: str, load: Callable[[], Program], needs: Iterable[str] = ("orchestrator",)) -> None:
    """Call what `load` imports; exit with 2 where an extra of `needs` is not installed, and with 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a locale without UTF-8 lacks dashes: a question mark is no error
            stream.reconfigure(errors="replace")
    try:
        from schemas.contract.errors import ExitCode
        from schemas.contract.extras import explain_missing, missing_modules

        if missing := missing_modules(needs):
            print(f"{name}: {explain_missing(missing)}", file=sys.stderr)
            sys.exit(ExitCode.REFUSED)
        with quick_import(*UNUSED):
            program = load()
        program()
    except KeyboardInterrupt:  # while modules are imported; a command has its own words
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(STOPPED)
