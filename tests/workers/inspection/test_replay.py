"""How far a window that was trained again is from the stored one."""

from pathlib import Path

import numpy as np
import pytest

from schemas.contract.artifact import StudentMetadata
from schemas.contract.task import Role
from schemas.files.layout import METADATA
from schemas.files.run_files import read_model
from tests.strategies import training_settings
from tests.workers.judging.runs import WARM, stored_run
from workers.inspection.replay import differences_of
from workers.judging.predictions import read_scored


@pytest.mark.parametrize("label", ["fixed", "return"])
def test_values_differ_in_deviations_of_their_labels(tmp_path: Path, label: str) -> None:
    """Probabilities differ by what they differ; returns of a hundredth would all be equal within a thousandth."""
    folders, found = [], []
    settings = training_settings(label=label, student="logistic" if label == "fixed" else "linear")
    for seed in (1, 2):
        layout = stored_run(tmp_path / str(seed), seed=seed, symbols=1, days=250, label=label)
        folders.append(layout.artifact(f"S0_{WARM}", Role.STUDENT))
        metadata = read_model(folders[-1] / METADATA, StudentMetadata)
        found.append(metadata.model_copy(update={"settings": settings}))
    before, after = (read_scored(folder, each) for folder, each in zip(folders, found, strict=True))
    distance = np.abs(before["student"].to_numpy() - after["student"].to_numpy()).max()
    unit = 1.0 if label == "fixed" else before["label"].to_numpy().std()
    assert differences_of(folders[0], found[0], folders[1], found[1])["student"] == pytest.approx(distance / unit)
