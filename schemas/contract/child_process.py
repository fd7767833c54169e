"""Command lines and environments of child processes, with the working folder off Python's module search path."""

import os
import sys

# One thread in every library of arrays: sums of several threads end in other bits.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def module_command(module: str, *arguments: str) -> list[str]:
    """Command line that runs an installed module with this interpreter.

    Without `-P` Python looks for modules in the working folder first, and would run a `workers.py` or a `redis.py`
    that is stored there.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def safe_environment() -> dict[str, str]:
    """This process's environment, plus the variable that gives `-P` to every Python process the child itself starts."""
    return {**os.environ, "PYTHONSAFEPATH": "1"}
