"""Cost of a user's features: 100 of them over 36 symbols of 1,100 daily bars, in seconds of CPU of one process.

Ten of them read side data of each symbol, with a revision of every value.

python -m benchmarks.plugins
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from schemas.contract.plugin_source import plugins_environment
from workers.bars.series import Series
from workers.features.analysis import check_features
from workers.features.calendar import MICROSECONDS_PER_DAY
from workers.features.plugged import features_here, plugged_features
from workers.learning.refused_features import IN_A_RUN
from workers.side.joined import SideData
from workers.side.store import table_of

FEATURES, SYMBOLS, BARS, WITH_SIDE = 100, 36, 1_100, 10
KINDS = ("mean", "max", "min", "median", "std")
FEATURE = """
@gk.feature(warmup={bars})
def f{bars}(bars):
    return bars["close"] / bars["close"].rolling({bars}).{kind}() - 1
"""
SIDE_FEATURE = """
@gk.feature(warmup={bars}, side="ratio")
def f{bars}(bars, side):
    return side["ratio"]["x"].rolling({bars}).{kind}() / bars["close"]
"""


def main() -> None:
    """Print the seconds to compute all features, and those to check them on one symbol as a run does."""
    bars = {str(number): walk(number) for number in range(SYMBOLS)}
    side = side_data(bars)
    side.decisions(bars["0"])  # opens the calendar
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hundred.py"
        forms = [SIDE_FEATURE] * WITH_SIDE + [FEATURE] * (FEATURES - WITH_SIDE)
        functions = (form.format(bars=5 + n, kind=KINDS[n % len(KINDS)]) for n, form in enumerate(forms))
        path.write_text("import gurukul as gk\n" + "".join(functions))
        os.environ.update(plugins_environment([str(path)]))
        features = features_here()
        computed = seconds(lambda: plugged_features(bars, list(features), "UTC", side))
        first = {"0": bars["0"]}
        checked = seconds(lambda: check_features(first, list(features.values()), "UTC", False, 0, IN_A_RUN, side))
        joined = seconds(
            lambda: [side.tables["ratio"].as_of(name, side.decisions(each)) for name, each in bars.items()]
        )
    print(f"{FEATURES} features of {SYMBOLS} symbols x {BARS:,} bars: {computed:.1f} s of CPU")
    print(f"of this the join of side data with {SYMBOLS} symbols: {joined * 1e3:.0f} ms")
    print(f"their check on one symbol: {checked:.1f} s of CPU")


def walk(seed: int) -> Series:
    """A random walk of daily bars."""
    rng, session = np.random.default_rng(seed), 19_000 + np.arange(BARS)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, BARS)))
    volume = rng.integers(1, 1_000, BARS).astype(np.float64)
    return Series(session * MICROSECONDS_PER_DAY, session, close, close * 1.01, close * 0.99, close, volume)


def side_data(bars: Mapping[str, Series]) -> SideData:
    """A value per symbol and day, known in its evening, and a revision a week later."""
    owners = np.repeat(np.array(list(bars), dtype=object), 2 * BARS)
    time = np.tile(np.concatenate([bars["0"].timestamp] * 2), SYMBOLS)
    late = np.tile(np.repeat([18, 24 * 7], BARS), SYMBOLS) * 3_600 * 10**6
    values = np.random.default_rng(0).normal(size=(len(time), 1))
    return SideData({"ratio": table_of(("x",), owners, time, time + late, values, None)}, "NSE")


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process for some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
