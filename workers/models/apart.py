"""Parse a model of unknown origin in a child process first: XGBoost can crash or hang on a damaged file."""

import subprocess
import sys
from contextlib import suppress

from schemas.contract.child_process import safe_environment
from schemas.contract.errors import DataError

DEADLINE_S = 60.0
# Address space of the child: XGBoost for the CPU and NumPy map 0.6 GiB (measured), a model takes a few MiB; an XGBoost
# with CUDA maps more (not measured).
LARGEST_CHILD_BYTES = 4 << 30
MOST_FEATURES = 10_000
ROWS = 256

CHILD = "from workers.models.apart import _parse; _parse()"


def refuse_unreadable(content: bytes, name: str) -> None:
    """DataError unless a child process can read `content` as an XGBoost model and predict with it.

    A crash, a hang and unlimited memory end the child, not this process. `name` is the file's, for the message.
    """
    command = [sys.executable, "-P", "-c", CHILD]
    try:
        child = subprocess.run(
            command, input=content, capture_output=True, timeout=DEADLINE_S, env=safe_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        raise DataError(f"{name} is damaged: it was not read within {DEADLINE_S:g} s; take another copy") from None
    if child.returncode:
        how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
        raise DataError(f"{name} is damaged: a process that read it ended with {how}; take another copy")


def _parse() -> None:
    """Read a model from stdin and predict random rows with it; ends this process by an error if either fails."""
    with suppress(ImportError):  # Windows has no limits
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(ValueError, OSError):  # macOS refuses this one
            resource.setrlimit(resource.RLIMIT_AS, (LARGEST_CHILD_BYTES, LARGEST_CHILD_BYTES))
    import numpy as np

    from workers.models.xgboost import decode

    booster = decode(sys.stdin.buffer.read())
    if not 0 < booster.num_features() <= MOST_FEATURES:
        raise DataError(f"the model has {booster.num_features()} features")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, booster.num_features()))
    x[rng.random(x.shape) < 0.1] = np.nan
    booster.inplace_predict(x, validate_features=False)
