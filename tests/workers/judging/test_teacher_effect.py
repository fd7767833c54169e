"""What teachers changed: in how many windows predictions differ from those without, and what that saved."""

import numpy as np
import pytest

from orchestrator.audit.wording import effect_sentence
from schemas.config.target import CLASS, LOSSES, VALUE
from schemas.contract.judgement import TeacherEffect
from workers.judging.predictions import Predictions
from workers.judging.validation import teacher_effect
from workers.scoring.family import FAMILIES


def predictions(student: list[float], alone: list[float]) -> Predictions:
    """Rows of label 1, two on each day; windows of two days each."""
    many = len(student)
    day, nothing = np.repeat(np.arange(many // 2), 2), np.zeros(many)
    window = np.array([f"w{each // 2}" for each in day], dtype=object)
    ones, one = np.ones(many), np.full(many, 0.5)
    return Predictions(
        window, day, day, day, ones, nothing, np.array(student), np.array(alone), one, one, one, one, one, window
    )


def test_a_window_counts_if_any_prediction_differs() -> None:
    """Two of three windows have another probability; the saving is the mean over days, of log losses of label 1."""
    alone = [0.5] * 12
    student = [0.5, 0.5, 0.5, 0.8, *[0.5] * 4, 0.4, 0.5, 0.5, 0.5]
    found = teacher_effect(predictions(student, alone), FAMILIES[CLASS])
    assert found.windows == 2
    saved = (np.log(0.8 / 0.5) + np.log(0.4 / 0.5)) / 12
    assert found.saved == pytest.approx(saved) and found.error is not None and found.error > 0


def test_without_a_teacher_nothing_is_saved_and_nothing_measured() -> None:
    """Equal predictions save nothing; a saving that is the same on each day has no error to estimate."""
    none = TeacherEffect(windows=0, saved=None, error=None)
    assert teacher_effect(predictions([0.6] * 8, [0.6] * 8), FAMILIES[CLASS]) == none


def test_the_sentence_gives_share_and_worth() -> None:
    """Screen, briefing and report have one sentence, in thousandths of a nat."""
    assert effect_sentence(TeacherEffect(windows=2, saved=0.00123, error=0.0004), 9, LOSSES[CLASS], 0.69) == (
        "teachers changed 2 of 9 students (22.2 %); that saved 1.23 +- 0.400 thousandths of a nat of log loss per row"
    )
    cost = TeacherEffect(windows=1, saved=-0.00061, error=0.000537)
    assert " that cost 0.610 +- 0.537 " in effect_sentence(cost, 9, LOSSES[CLASS], 0.69)
    none = TeacherEffect(windows=0, saved=None, error=None)
    assert effect_sentence(none, 9, LOSSES[CLASS], 0.69) == "teachers changed none of 9 students"
    assert effect_sentence(cost, 9, LOSSES[VALUE], 0.01).endswith(" that cost 6.10 +- 5.37 % of the squared error")
