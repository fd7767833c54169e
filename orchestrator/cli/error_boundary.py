"""The error boundary: every command runs inside it, and an error leaves it as one line on stderr and an exit code."""

import functools
import select
import sqlite3
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer
from redis.exceptions import NoPermissionError, RedisError
from rich.text import Text

from orchestrator.terminal.console import Console, discard
from schemas.contract.errors import ExitCode, GurukulError
from schemas.redis.writes import trouble

P = ParamSpec("P")
R = TypeVar("R")

# Errors of a disk or a ledger. Any other exception is a bug and keeps its traceback.
MACHINE_ERRORS = (sqlite3.Error, OSError)


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Wrap `command`, so that an error ends the process with the exit code of the error's class and one red line."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except GurukulError as error:
            raise _exit(str(error), error.exit_code) from None
        except NoPermissionError as error:
            raise _exit(f"the broker {trouble(error)}", ExitCode.REFUSED) from None
        except RedisError as error:
            raise _exit(f"the broker {trouble(error)}; then run the command again", ExitCode.FAILED) from None
        except MACHINE_ERRORS as error:
            if isinstance(error, BrokenPipeError) and _is_unread():
                discard(sys.stdout)
                raise typer.Exit(ExitCode.DONE) from None
            raise _exit(f"{error}; fix that, then run the command again", ExitCode.FAILED) from None
        except KeyboardInterrupt:
            raise _exit("interrupted", ExitCode.STOPPED) from None

    return wrapper


def _is_unread() -> bool:
    """Whether the program that read standard output has ended, as `head` does after its lines."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _exit(text: str, code: ExitCode) -> typer.Exit:
    """Print one sentence on stderr, in one line where a program reads it, and return the exit to raise."""
    Console(stderr=True).write(Text(f"orchestrator: {' '.join(text.split())}", "red"))
    return typer.Exit(code)
