"""Several tests at once, on the published example of Benjamini and Hochberg (1995)."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from workers.judging.statistics.false_discovery import adjusted

PUBLISHED = np.array(
    [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1]
)
RATE = 0.05


def test_rejections_as_published() -> None:
    """Four of fifteen at 5 % by Benjamini and Hochberg, three under any dependence."""
    assert (adjusted(PUBLISHED, "bh") <= RATE).sum() == 4
    assert (adjusted(PUBLISHED, "by") <= RATE).sum() == 3
    assert adjusted(PUBLISHED, "bh")[3] == pytest.approx(0.03562, abs=1e-5)


def test_equals_statsmodels_in_any_order() -> None:
    """Both adjustments are statsmodels', whatever the order of the tests."""
    shuffled = np.random.default_rng(0).permutation(PUBLISHED)
    assert adjusted(shuffled, "bh") == pytest.approx(multipletests(shuffled, RATE, "fdr_bh")[1])
    assert adjusted(shuffled, "by") == pytest.approx(multipletests(shuffled, RATE, "fdr_by")[1])


def test_dependence_costs_a_sum_of_fractions() -> None:
    """Under any dependence p is larger by 1 + 1/2 + ... + 1/n, up to 1; a single test stays as it is."""
    factor = (1 / np.arange(1, 16)).sum()
    assert adjusted(PUBLISHED, "by") == pytest.approx(np.minimum(adjusted(PUBLISHED, "bh") * factor, 1.0))
    assert adjusted(np.array([0.03]), "by") == pytest.approx([0.03])
