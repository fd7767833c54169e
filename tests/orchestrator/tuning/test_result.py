"""What a study concludes, and the file of its best settings."""

import json
import math
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.runs.settings import resolve
from orchestrator.tuning import result
from orchestrator.tuning.result import conclude, expected_best, write_best
from schemas.config.run import RunConfig
from schemas.config.tuning import Numbers, StudySettings
from schemas.contract.requests import PairedDifference
from schemas.contract.study import Study, StudyTrial, TrialState
from schemas.files.layout import RunLayout

STUDY = Study(
    settings=StudySettings(tune_end=date(2022, 1, 1)), space={"student.ridge": Numbers(low=1, high=1000, log=True)}
)


def ended(*values: float | None) -> list[StudyTrial]:
    return [
        StudyTrial(
            number=number, run_id=f"s.t{number:04}", chosen={"student.ridge": 20.0 + number} if number else {},
            value=value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
        )
        for number, value in enumerate(values)
    ]  # fmt: skip


def concluded(monkeypatch: pytest.MonkeyPatch, trials: list[StudyTrial], **paired: Any) -> str:
    monkeypatch.setattr(result, "ask", lambda *_: PairedDifference(**paired))
    return " ".join(conclude(RunLayout(Path("data/models/s")), STUDY, trials))


def test_the_best_is_compared_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """One standard error, and what the best of as many has by luck, are the two bounds."""
    trials = ended(0.010, 0.012, None, 0.011)
    text = concluded(monkeypatch, trials, days=400, difference=0.002, standard_error=0.004)
    assert "Best is trial 1: student.ridge=21. Its log-loss is +0.0120 nats per row, without a change +0.0100." in text
    assert "On the same 400 days it is better by +0.00200 +- 0.00400 nats per row, +0.500 standard errors" in text
    assert "nothing was found that is surely better; keep the configuration without a change" in text
    text = concluded(monkeypatch, ended(*[0.01] * 49, 0.02), days=400, difference=0.002, standard_error=0.001)
    assert "no more than the best of 49 without any effect has by luck (2.27)" in text
    text = concluded(monkeypatch, trials, days=400, difference=0.004, standard_error=0.001)
    assert "the best of 2 without any effect would have" in text
    assert "both are equal: nothing better was found" in concluded(monkeypatch, trials, days=400)


def test_a_study_without_a_better_trial_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of a worker then."""
    assert "No trial is better than the configuration without a change" in concluded(monkeypatch, ended(0.01, 0.005))
    assert concluded(monkeypatch, ended(None)) == "No trial is complete."


def test_the_expected_best_is_that_of_normal_numbers() -> None:
    """2.28 of 50; none of one."""
    assert math.isclose(expected_best(50), 2.28, abs_tol=0.01) and expected_best(1) == 0.0


def test_the_best_settings_are_a_file_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--config` reads it: the chosen values, the study's name, dates from `tune_end` on, absolute paths, no flag of
    how the study was run.
    """
    config = RunConfig(
        start_date=date(2020, 1, 1), end_date=date(2024, 1, 1), data_dir=str(tmp_path / "data"), symbols=("M&M", "^X"),
        source=f"csv:{tmp_path}", horizon=7, set="teacher.max_depth=4", devices="cpu:2x1",
        gates={"permutation_p": 0.005}, columns={"close": "Adj Close"},
    )  # fmt: skip
    layout = RunLayout.under(tmp_path / "data", "autumn")
    monkeypatch.setattr(result, "read_manifest", lambda layout: SimpleNamespace(config=config, run_id="autumn"))
    write_best(layout, STUDY, ended(0.01, 0.012), ["One sentence."])
    assert layout.best.read_text(encoding="utf-8").startswith("# Settings of trial 1, the best of the 2 trials")
    found = resolve(RunConfig, {}, layout.best, {})
    wanted = config.model_copy(
        update={
            "start_date": date(2021, 12, 21), "set": ("teacher.max_depth=4", "student.ridge=21.0"), "study": "autumn",
            "devices": "auto",
        }
    )  # fmt: skip
    assert json.loads(found.model_dump_json()) == json.loads(wanted.model_dump_json())
    layout.best.unlink()
    write_best(layout, STUDY, ended(None), [])
    assert not layout.best.exists()
