"""Cost of a user's features: 100 of them over 36 symbols of 1,100 daily bars, in seconds of CPU of one process.

python -m benchmarks.plugins
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from schemas.contract.plugin_source import plugins_environment
from workers.bars.series import Series
from workers.features.analysis import check_features
from workers.features.calendar import MICROSECONDS_PER_DAY
from workers.features.plugged import features_here, plugged_features
from workers.learning.refused_features import IN_A_RUN

FEATURES, SYMBOLS, BARS = 100, 36, 1_100
KINDS = ("mean", "max", "min", "median", "std")
FEATURE = """
@gk.feature(warmup={bars})
def f{bars}(bars):
    return bars["close"] / bars["close"].rolling({bars}).{kind}() - 1
"""


def main() -> None:
    """Print the seconds to compute all features, and those to check them on one symbol as a run does."""
    bars = {str(number): walk(number) for number in range(SYMBOLS)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hundred.py"
        functions = (FEATURE.format(bars=5 + n, kind=KINDS[n % len(KINDS)]) for n in range(FEATURES))
        path.write_text("import gurukul as gk\n" + "".join(functions))
        os.environ.update(plugins_environment([str(path)]))
        features = features_here()
        computed = seconds(lambda: plugged_features(bars, list(features), "UTC"))
        first = {"0": bars["0"]}
        checked = seconds(lambda: check_features(first, list(features.values()), "UTC", False, 0, IN_A_RUN))
    print(f"{FEATURES} features of {SYMBOLS} symbols x {BARS:,} bars: {computed:.1f} s of CPU")
    print(f"their check on one symbol: {checked:.1f} s of CPU")


def walk(seed: int) -> Series:
    """A random walk of daily bars."""
    rng, session = np.random.default_rng(seed), 19_000 + np.arange(BARS)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, BARS)))
    volume = rng.integers(1, 1_000, BARS).astype(np.float64)
    return Series(session * MICROSECONDS_PER_DAY, session, close, close * 1.01, close * 0.99, close, volume)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process for some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
