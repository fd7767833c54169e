"""The program `workers`."""

import os
import sys
import threading

from schemas.terminal.program import Program, run_program


def main() -> None:
    """Run the command line."""
    run_program("workers", _load, needs=())


def _load() -> Program:
    from workers.cli import QUESTIONS, cli

    return _answer if sys.argv[1:2] and sys.argv[1] in QUESTIONS else cli


def _answer() -> None:
    """Answer a question although a plug-in may write to standard output, also below Python, or leave threads.

    Only the answer is written there; all else is on standard error. A thread that goes on keeps no process.
    """
    from workers.cli import cli

    sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        cli()
    except SystemExit as end:
        if all(each.daemon for each in threading.enumerate() if each is not threading.main_thread()):
            raise
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)


if __name__ == "__main__":
    main()
