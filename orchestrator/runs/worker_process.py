"""Runs a command of the workers' plane in a child process on this host: no fleet, no broker, nothing written."""

import subprocess
from typing import Literal, TypeVar

from pydantic import ValidationError

from schemas.contract.base import Frozen
from schemas.contract.child_process import ONE_THREAD, module_command, safe_environment
from schemas.contract.errors import RequestError
from schemas.contract.requests import Answer

Command = Literal["preflight", "explain", "replay", "verify", "golden-make", "golden-check", "predict"]
A = TypeVar("A", bound=Answer)


def ask(command: Command, question: Frozen, kind: type[A]) -> A:
    """Run `workers COMMAND` on a request; RequestError with the worker's message if it fails."""
    process = subprocess.run(
        module_command("workers", command),
        # A replay must add in the order of a worker.
        env=safe_environment() | ONE_THREAD,
        input=question.model_dump_json(),
        capture_output=True,
        text=True,
    )
    try:
        answer = kind.model_validate_json(process.stdout)
    except ValidationError:
        last = (process.stderr.strip().splitlines() or ["no output"])[-1]
        raise RequestError(f"`workers {command}` ended with {process.returncode}: {last}") from None
    if answer.error is not None:
        raise RequestError(answer.error)
    return answer
