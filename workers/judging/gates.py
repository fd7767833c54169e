"""Phase statistical_tests: the gates, in order. What cannot be computed fails; nothing stands in for it."""

from schemas.artifacts import Gate, Statistics
from schemas.config import TrainingSettings
from schemas.layout import RunLayout
from schemas.messages import Role, Status
from schemas.rows import read_rows
from workers.bars.series import Floats
from workers.judging.bootstrap import mean_interval
from workers.judging.predictions import Predictions
from workers.judging.scoring import daily_means, log_losses
from workers.judging.validation import daily_net, overlap_days

REPETITIONS = 2000
CONFIDENCE = 0.95
MIN_SCORED_SHARE = 0.9
MIN_DAYS = 60


def judge(layout: RunLayout, run_id: str, predictions: Predictions, settings: TrainingSettings) -> Statistics:
    """Run every gate on the run's stored predictions. Seeded: the same predictions give the same numbers."""
    gates = (
        _data_gate(layout, predictions),
        _skill_gate(predictions, settings),
        _economics_gate(predictions, settings),
    )
    return Statistics(
        run_id=run_id, seed=settings.seed, repetitions=REPETITIONS, gates=gates, inputs=predictions.digests
    )


def _data_gate(layout: RunLayout, predictions: Predictions) -> Gate:
    attempted = [row for row in read_rows(layout, Role.STUDENT) if row.status is not Status.SKIPPED]
    share = predictions.windows / len(attempted)
    passed = share >= MIN_SCORED_SHARE
    return Gate(
        name="data",
        question="Are nearly all attempted windows scored?",
        statistic=share,
        threshold=MIN_SCORED_SHARE,
        n=len(attempted),
        passed=passed,
        reason=f"{predictions.windows} of {len(attempted)} attempted windows were trained and scored",
    )


def _skill_gate(predictions: Predictions, settings: TrainingSettings) -> Gate:
    saved = log_losses(predictions.y, predictions.prior) - log_losses(predictions.y, predictions.student)
    _, daily = daily_means(predictions.day, saved)
    question = "Do students predict better than each window's base rate?"
    days = overlap_days(predictions, settings)
    return _interval_gate("skill", question, "nats of log loss saved a row", daily, days, settings.seed)


def _economics_gate(predictions: Predictions, settings: TrainingSettings) -> Gate:
    _, daily = daily_net(predictions, settings)
    days = overlap_days(predictions, settings)
    question = "Do their trades earn more than they cost?"
    return _interval_gate("economics", question, "bps of capital a day after cost", daily * 1e4, days, settings.seed)


def _interval_gate(name: str, question: str, unit: str, daily: Floats, min_block: int, seed: int) -> Gate:
    """Passes if the whole interval of the mean of `daily` (one value a day, in order) lies above 0."""
    if len(daily) < MIN_DAYS or not daily.any():
        why = f"{len(daily)} days, {MIN_DAYS} needed" if len(daily) < MIN_DAYS else "no row differs from the baseline"
        return Gate(
            name=name,
            question=question,
            statistic=None,
            threshold=0.0,
            n=len(daily),
            passed=False,
            reason=f"not computable: {why}",
        )
    interval = mean_interval(daily, min_block=min_block, repetitions=REPETITIONS, seed=seed, confidence=CONFIDENCE)
    verdict = "above 0" if interval.low > 0 else "below 0" if interval.high < 0 else "not told apart from 0"
    return Gate(
        name=name,
        question=question,
        statistic=interval.mean,
        low=interval.low,
        high=interval.high,
        threshold=0.0,
        n=interval.n,
        effective_n=interval.effective_n,
        passed=interval.low > 0,
        reason=f"{interval.mean:+.4g} {unit}, 95 % interval {interval.low:+.4g} to {interval.high:+.4g}: {verdict}",
    )
