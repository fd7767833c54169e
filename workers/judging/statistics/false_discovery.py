"""Several tests at once: p values adjusted so that the share of false discoveries is bounded."""

from typing import Literal

from scipy.stats import false_discovery_control

from workers.bars.series import Floats


def adjusted(p: Floats, method: Literal["by", "bh"]) -> Floats:
    """Adjusted p of each test. `by`: under any dependence (Benjamini and Yekutieli 2001); `bh`: independent (1995)."""
    result: Floats = false_discovery_control(p, method=method)
    return result
