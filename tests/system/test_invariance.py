"""The whole program on one slot, two and four: the same bytes."""

from datetime import date
from pathlib import Path

import pytest

from tests.conftest import Finished, finished_run, tree, write_bars

SPAN = ("--start-date", "2023-02-01", "--end-date", "2023-10-01", "--window-days", "120", "--step-days", "60")


@pytest.fixture(scope="module")
def few_bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars of two symbols, long enough for a few windows of each."""
    folder = tmp_path_factory.mktemp("few")
    return write_bars(folder, ("M&M", "^GSPC"), first=date(2022, 6, 1), last=date(2024, 1, 31))


def run_on(devices: str, bars: Path, cwd: Path) -> Finished:
    cwd.mkdir()
    return finished_run(cwd, "--source", f"csv:{bars}", *SPAN, "--devices", devices, "--run-id", "invariant")


def test_one_slot_and_two_and_four_give_the_same_bytes(few_bars: Path, tmp_path: Path) -> None:
    """Every artifact and both verdicts are the same, byte for byte, however many windows a device works on at once."""
    one = run_on("cpu:1x1", few_bars, tmp_path / "1")
    expected = tree(one.folder / "windows")
    assert len({name.split("/")[0] for name in expected}) >= 4
    for slots in (2, 4):
        other = run_on(f"cpu:1x{slots}", few_bars, tmp_path / str(slots))
        assert tree(other.folder / "windows") == expected
        for name in ("validation.json", "statistics.json"):
            assert (other.folder / name).read_bytes() == (one.folder / name).read_bytes()
