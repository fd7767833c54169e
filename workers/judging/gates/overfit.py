"""Gate `overfit`: whether the result could be the best of many trials by luck."""

import numpy as np

from schemas.config.model_kinds import PLAIN
from schemas.contract.judgement import Criterion, Part, Ruling
from schemas.contract.numbers import between, p_of, shown
from workers.bars.series import Floats
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import at_least, at_most, not_computable, too_few_days, why_not_testable
from workers.judging.gates.looks import looking_again
from workers.judging.gates.registry import gate
from workers.judging.statistics import sharpe
from workers.judging.statistics.model_comparison import mcs, spa
from workers.judging.statistics.overfit import pbo
from workers.judging.trial_log import Trials, trials_of
from workers.scoring.constancy import is_constant

PROBABILISTIC, TRACK_RECORD, DEFLATED = (
    "probabilistic Sharpe ratio", "minimum track record length", "deflated Sharpe ratio",
)  # fmt: skip
SHARPE_TESTS = {PROBABILISTIC: Part.WARNING, TRACK_RECORD: Part.INFORMS, DEFLATED: Part.WARNING}
OVERFITTING = "probability of backtest overfitting"
SUPERIOR, CONFIDENCE_SET = "superior predictive ability", "model confidence set"
MODELS = {"student": "student", "alone": "student without a teacher"}
COMPARED = (*MODELS, "logistic")


@gate("overfit", "Could the result be the best of many trials by luck?")
def judge(evidence: Evidence) -> Findings:
    """Test the Sharpe ratio given the number of trials, the choice of strategy by CSCV, and models by SPA and MCS."""
    trials = trials_of(evidence)
    daily = evidence.book().daily
    why = why_not_testable(daily, evidence.settings.min_days)
    ratios = (
        [not_computable(name, why, part=part, n=len(daily)) for name, part in SHARPE_TESTS.items()]
        if why
        else _ratios(evidence, daily, trials)
    )
    again = looking_again(evidence, trials.judged_until, trials.opened_from)
    return Findings((*ratios, *again, _overfitting(evidence, trials), *_superiority(evidence)), trials.digests)


def _ratios(evidence: Evidence, daily: Floats, trials: Trials) -> list[Criterion]:
    bound, n = evidence.settings.sharpe_probability, len(daily)
    ratio = sharpe.sharpe(daily)
    probability = sharpe.probabilistic_sharpe_ratio(daily, 0.0)
    # Similar trials underestimate the spread of ratios by luck: it is at least that of unskilled strategies.
    seen = float(np.std(trials.sharpes, ddof=1)) if len(trials.sharpes) > 1 else 0.0
    deviation = max(seen, 1.0 / float(np.sqrt(n - 1)))
    luck = sharpe.expected_max_sharpe(trials.count, deviation)
    deflated = sharpe.probabilistic_sharpe_ratio(daily, luck)
    probable = at_least(
        PROBABILISTIC, probability, bound,
        f"probability {shown(probability)} that the true ratio is above 0; estimated {shown(ratio, '+')} per day", n=n,
    )  # fmt: skip
    needed = f"{sharpe.min_track_record_length(daily, 0.0, bound):,.0f} days" if ratio > 0 else "none is long enough"
    record = Criterion(
        name=TRACK_RECORD, part=Part.INFORMS, ruling=Ruling.PASS, n=n, statistic=float(n),
        reason=f"{needed} for a Sharpe ratio of {shown(ratio, '+')} per day at a probability of {bound:g}; there are"
        f" {n:,}",
    )  # fmt: skip
    reason = (
        f"probability {shown(deflated)} that the true ratio is above {shown(luck, '+')} per day, the expected best of"
        f" {trials.count} trials without skill (standard deviation of their ratios {shown(deviation)})"
    )
    return [probable, record, at_least(DEFLATED, deflated, bound, reason, n=n)]


def _overfitting(evidence: Evidence, trials: Trials) -> Criterion:
    name, settings = OVERFITTING, evidence.settings
    returns, blocks = trials.returns, settings.overfit_blocks
    moving = np.array([each for each in returns if not is_constant(each)]).reshape(-1, returns.shape[1])
    if len(moving) < 2 or moving.shape[1] < 2 * blocks:
        return not_computable(
            name, f"{len(moving)} strategies with trades on {returns.shape[1]} common days", n=len(moving)
        )
    found = pbo(moving, blocks)
    reason = (
        f"probability {shown(found.pbo)} that the best of {len(moving)} strategies in one half of the days is below the"
        f" median in the other half; slope {shown(found.slope, '+')}, probability of a loss {shown(found.loss)}"
    )
    return at_most(name, found.pbo, settings.overfit_probability, reason, n=moving.shape[1])


def _superiority(evidence: Evidence) -> list[Criterion]:
    settings = evidence.settings
    models = [name for name in COMPARED if name in evidence.decisions]
    opponent = evidence.validation.opponent
    simple = evidence.validation.loss.simple(opponent)
    prior = evidence.daily_loss(opponent)[1]
    losses = np.stack([evidence.daily_loss(name)[1] for name in models], axis=1)
    kept = np.array([i for i, each in enumerate(losses.T) if not is_constant(each - prior)], dtype=np.int64)
    if len(kept):  # equal students count once
        _, first = np.unique(losses[:, kept], axis=1, return_index=True)
        kept = np.sort(kept[first])
    if len(prior) < settings.min_days or 0 not in kept:
        why = too_few_days(len(prior), settings.min_days) or f"the student always predicts {simple}"
        return [not_computable(name, why, n=len(prior)) for name in (SUPERIOR, CONFIDENCE_SET)]
    block = max(float(evidence.min_block_days), np.sqrt(len(prior)))
    sizes = {"block": block, "repetitions": settings.repetitions, "seed": evidence.seed}
    test = spa(prior, losses[:, kept], **sizes)
    everything = np.column_stack([prior, losses[:, kept]])
    confident = mcs(everything, size=settings.significance, **sizes)
    place = 1 + int(np.flatnonzero(kept == 0)[0])
    words = MODELS | {"logistic": f"{PLAIN[evidence.validation.target]} model"}
    among = [simple.removeprefix("the "), *(words[models[index]] for index in kept)]
    included = [among[index] for index in confident.included]
    return [
        at_most(
            SUPERIOR, test.consistent, settings.significance,
            f"p {p_of(test.consistent)} of the hypothesis that none is better than {simple}:"
            f" {', '.join(among[1:])} (Hansen's SPA; bounds of p {between(test.lower, test.upper)})",
            n=len(prior), p=test.consistent,
        ),
        at_least(
            CONFIDENCE_SET, confident.p[place], settings.significance,
            f"{100 * (1 - settings.significance):g} % confidence set of the best models: {', '.join(included)}",
            n=len(prior), p=confident.p[place],
        ),
    ]  # fmt: skip
