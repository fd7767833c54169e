"""A run with the settings of a study may not score the days that chose them."""

from datetime import date
from pathlib import Path

import pytest

from orchestrator.planning.windows import plan_before, start_from
from orchestrator.runs.preflight import refuse_tuned_days
from orchestrator.runs.settings import resolve
from schemas.config.run import RunConfig
from schemas.config.tuning import TuneConfig
from schemas.contract.errors import RequestError
from schemas.contract.window import PlannedWindow, Window
from schemas.files.trial_log import append_trial, trial_logs
from tests.known import coverage_of, table_of
from tests.strategies import weekdays
from tests.trials import trial

END = date(2022, 1, 1)


def test_days_of_the_study_are_refused(tmp_path: Path) -> None:
    """By the ledger of trials: the last day that a trial scored; a study that no line knows is refused as well."""
    config = RunConfig(
        start_date=date(2021, 1, 1), end_date=date(2024, 1, 1), data_dir=str(tmp_path / "data"), study="s",
        trials_dir=str(tmp_path / "state"),
    )  # fmt: skip

    def scores_from(day: date) -> list[PlannedWindow]:
        window = Window(symbol="A", start=date(2021, 1, 1), end=day, score_end=date(2024, 1, 1))
        return [PlannedWindow(window=window)]

    with pytest.raises(RequestError, match=r"has no trial of study s; give the --trials-dir"):
        refuse_tuned_days(config, scores_from(END))
    append_trial(trial_logs(config), trial(0, study="s", number=0, first=date(2020, 1, 1), last=END))
    refuse_tuned_days(config, scores_from(END))
    with pytest.raises(RequestError, match="these windows score days from 2021-12-31 on"):
        refuse_tuned_days(config, scores_from(date(2021, 12, 31)))
    refuse_tuned_days(config.model_copy(update={"study": None}), scores_from(date(2021, 12, 31)))


@pytest.mark.parametrize("day", [date(2021, 3, 1), date(2021, 6, 29), date(2021, 6, 30), date(2023, 2, 3)])
def test_a_study_and_its_run_share_a_grid_and_no_day(day: date) -> None:
    """Study windows score days before `day` only; the first window from `start_from` is the next of the same grid."""
    config = RunConfig(
        start_date=date(2020, 7, 1), end_date=date(2023, 12, 1), window_days=120, step_days=60, symbols=("A",)
    )
    known = table_of(coverage_of("A", weekdays(date(2015, 1, 1), 2450)))
    windows = [each.window for each in plan_before(config, known, day)]
    assert windows and all(each.end < each.score_end <= day == each.labels_before for each in windows)
    rest = config.model_copy(update={"start_date": start_from(config, day)})
    first = min(each.window.end for each in plan_before(rest, known, date(2030, 1, 1)))
    assert 0 <= (first - day).days < config.step_days
    assert (rest.start_date - config.start_date).days % config.step_days == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tune_end": None}, "--tune-end is missing"),
        ({"space": None}, "--space is missing"),
        ({"study": "s"}, "--study is for a run"),
        ({"final": "true", "holdout_from": "2023-01-01"}, "--final is for a run"),
        ({"holdout_from": "2021-01-01"}, "--tune-end 2022-01-01 is after --holdout-from 2021-01-01"),
        ({"store": "s3://bucket/prefix"}, "--store is not possible with tune yet"),
        ({"trials": "1"}, "--trials '1' must be at least 2"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_faulty_study_is_refused(changes: dict[str, str | None], words: str) -> None:
    """In the words of the flags."""
    given = {"start_date": "2020-01-01", "end_date": "2024-01-01", "tune_end": "2022-01-01", "space": "s.toml"}
    with pytest.raises(RequestError) as caught:
        resolve(TuneConfig, given | changes, None, {})
    assert words in str(caught.value)
