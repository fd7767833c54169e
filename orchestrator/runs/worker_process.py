"""Runs a command of the workers' plane in a child process on this host: no fleet, no broker, nothing written."""

import subprocess
from collections.abc import Sequence
from subprocess import TimeoutExpired
from typing import Literal, TypeVar

from pydantic import ValidationError

from schemas.contract.base import Frozen
from schemas.contract.child_process import ONE_THREAD, module_command, safe_environment
from schemas.contract.errors import RequestError
from schemas.contract.plugin_source import plugins_environment
from schemas.contract.requests import Answer

Command = Literal[
    "preflight", "explain", "replay", "verify", "golden-make", "golden-check", "predict", "plugins", "check", "matrix",
    "side", "paired", "own-gate", "mlflow", "onnx", "chart-library",
]  # fmt: skip
A = TypeVar("A", bound=Answer)


def ask(
    command: Command, question: Frozen, kind: type[A], plugins: Sequence[str] = (), limit_s: float | None = None
) -> A:
    """Run `workers COMMAND` on a request; RequestError with the worker's message if it fails or takes over `limit_s`.

    `plugins` are files whose code it may run, instead of those that the environment names.
    """
    try:
        process = _run(command, question, plugins, limit_s)
    except TimeoutExpired:
        raise RequestError(
            f"`workers {command}` took over {limit_s:g} s{_of(plugins)}; see what it does when it is imported"
        ) from None
    try:
        answer = kind.model_validate_json(process.stdout)
    except ValidationError:
        if plugins and not process.stdout and not process.stderr.strip():
            raise RequestError(
                f"a process that loads {', '.join(plugins)} ended with exit code {process.returncode} and without an"
                " error: a plug-in must not end its process"
            ) from None
        last = (process.stderr.strip().splitlines() or ["no output"])[-1]
        raise RequestError(f"`workers {command}` ended with {process.returncode}: {last}{_of(plugins)}") from None
    if answer.error is not None:
        raise RequestError(answer.error)
    return answer


def _run(
    command: Command, question: Frozen, plugins: Sequence[str], limit_s: float | None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        module_command("workers", command),
        # A replay must add in the order of a worker.
        env=safe_environment() | ONE_THREAD | (plugins_environment(plugins) if plugins else {}),
        input=question.model_dump_json(),
        capture_output=True,
        text=True,
        timeout=limit_s,
    )


def _of(plugins: Sequence[str]) -> str:
    return f" with the plug-ins {', '.join(plugins)}" if plugins else ""
