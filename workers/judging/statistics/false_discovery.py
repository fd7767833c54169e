"""Control of the false discovery rate over several tests."""

from typing import Literal

from scipy.stats import false_discovery_control

from workers.bars.series import Floats


def adjusted(p: Floats, method: Literal["by", "bh"]) -> Floats:
    """Adjust p values, shape (tests,), so that accepting those at most q bounds the false discovery rate by q.

    `by`: under any dependence, Benjamini and Yekutieli (2001). `bh`: for independent tests, Benjamini and Hochberg
    (1995).
    """
    result: Floats = false_discovery_control(p, method=method)
    return result
