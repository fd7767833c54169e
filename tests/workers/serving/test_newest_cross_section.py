"""Cross-sectional features of a panel's newest bar, as predictions need them."""

from dataclasses import replace

import numpy as np
import pytest

from schemas.config.features import CROSS_SECTION_FEATURES
from schemas.contract.window import WARMUP_BARS
from tests.strategies import daily_walk, part
from workers.bars.series import Series
from workers.features.cross_section import cross_section, cross_section_names
from workers.features.frame import frame_of
from workers.features.registry import model_features
from workers.serving.features import newest_cross_section, probe


@pytest.fixture(scope="module")
def panel() -> list[Series]:
    """Eight symbols: one begins too late to be warm at first, one misses bars, one ends early, one has no bar."""
    whole = [daily_walk(340, seed) for seed in range(7)]
    kept = np.delete(np.arange(340), [30, 190, 300, 301, 318])
    return [
        *whole[:4],
        part(whole[4], slice(175, None)),
        Series(*(values[kept] for values in vars(whole[5]).values())),
        whole[6].upto(310),
        part(whole[0], slice(0, 0)),
    ]


@pytest.mark.parametrize("by_date", [False, True])
@pytest.mark.parametrize("bars", [WARMUP_BARS + 1, 250, 302, 312, 325, 326, 340])
def test_the_newest_bar_has_the_features_of_training(panel: list[Series], bars: int, by_date: bool) -> None:
    """The same bits as those of the whole history at that bar; none for a symbol that lacks it, or is not warm.

    Also where the third symbol left the universe with its 300th bar.
    """
    if by_date:
        panel = [*panel[:2], replace(panel[2], member=np.arange(340) < 300), *panel[3:]]
    instant = panel[0].timestamp[bars - 1]
    known = [each.upto(int(np.searchsorted(each.timestamp, instant, side="right"))) for each in panel]
    own = [model_features(frame_of(each, intraday=False)) for each in panel]
    trained = cross_section([each.timestamp for each in panel], own, members=[each.member for each in panel])
    found = newest_cross_section(known, intraday=False)
    assert found.shape == (len(panel), len(cross_section_names()))
    for row, whole, each in zip(found, trained, known, strict=True):
        if len(each) > WARMUP_BARS and each.timestamp[-1] == instant:
            assert row.tobytes() == whole[len(each) - 1].tobytes()
        else:
            assert np.isnan(row).all()


def test_a_panel_without_a_warm_symbol_has_no_features(panel: list[Series]) -> None:
    """Rows are there, and empty."""
    assert np.isnan(newest_cross_section([each.upto(100) for each in panel], intraday=False)).all()


def test_the_probe_sees_ranks() -> None:
    """The made-up panel's symbols differ, so a changed rank would be noticed."""
    found = probe(CROSS_SECTION_FEATURES)
    assert found.shape == (len(cross_section_names()),)
    assert np.isfinite(found).all()
    assert len(np.unique(found)) > 4
