"""Would the best of so many tries look as good by luck?"""

import numpy as np

from schemas.contract.judgement import COIN_TOSS, Criterion, Favours, Ruling
from workers.bars.series import Floats
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Findings
from workers.judging.gates.criteria import above, at_most, lack_of_days, not_computable
from workers.judging.gates.registry import gate
from workers.judging.statistics import sharpe
from workers.judging.statistics.model_comparison import mcs, spa, stepm
from workers.judging.statistics.overfit import pbo
from workers.judging.trial_log import Trials, trials_of
from workers.scoring.newey_west import is_constant

NAMES = ("Sharpe above 0", "length of record", "Sharpe above the best by luck")


@gate("overfit", "Would the best of so many tries look as good by luck?")
def judge(evidence: Evidence) -> Findings:
    """PSR, MinTRL and the deflated Sharpe ratio; overfitting over all that was tried; SPA and the confidence set."""
    trials = trials_of(evidence)
    daily = evidence.book().daily
    why = lack_of_days(daily, evidence.settings.min_days)
    ratios = [not_computable(name, why, n=len(daily)) for name in NAMES] if why else _ratios(evidence, daily, trials)
    return Findings((*ratios, _overfitting(evidence, trials), *_superiority(evidence)), trials.digests)


def _ratios(evidence: Evidence, daily: Floats, trials: Trials) -> list[Criterion]:
    bound, n = evidence.settings.sharpe_probability, len(daily)
    ratio = sharpe.sharpe(daily)
    probability = sharpe.probabilistic_sharpe_ratio(daily, 0.0)
    # Trials that are alike say nothing of how far luck spreads; unskilled ones spread by this much.
    seen = float(np.std(trials.sharpes, ddof=1)) if len(trials.sharpes) > 1 else 0.0
    deviation = max(seen, 1.0 / float(np.sqrt(n - 1)))
    luck = sharpe.expected_max_sharpe(trials.count, deviation)
    deflated = sharpe.probabilistic_sharpe_ratio(daily, luck)
    found = [
        above(
            NAMES[0], probability, bound,
            f"probability {probability:.4g} that the ratio ({ratio:+.4g} a day) is above 0", n=n,
        )
    ]  # fmt: skip
    if ratio > 0:
        needed = sharpe.min_track_record_length(daily, 0.0, bound)
        found.append(
            above(NAMES[1], n, needed, f"{n} days; a Sharpe ratio of {ratio:+.4g} a day needs {needed:.0f}", n=n)
        )
    else:
        found.append(
            Criterion(
                name=NAMES[1], ruling=Ruling.FAIL, n=n, statistic=float(n),
                reason=f"no record is long enough for a Sharpe ratio of {ratio:+.4g} a day",
            )
        )  # fmt: skip
    reason = (
        f"probability {deflated:.4g} that it is above {luck:+.4g}, the best to expect of {trials.count} trials by luck"
        f" (ratios that spread by {deviation:.3g})"
    )
    return [*found, above(NAMES[2], deflated, bound, reason, n=n)]


def _overfitting(evidence: Evidence, trials: Trials) -> Criterion:
    name, settings = "overfitting", evidence.settings
    returns, blocks = trials.returns, settings.overfit_blocks
    moving = np.array([each for each in returns if not is_constant(each)]).reshape(-1, returns.shape[1])
    if len(moving) < 2 or moving.shape[1] < 2 * blocks:
        return not_computable(
            name, f"{len(moving)} strategies that trade on {returns.shape[1]} common days", n=len(moving)
        )
    found = pbo(moving, blocks)
    reason = (
        f"probability {found.pbo:.3g} that the best of {len(moving)} strategies in one half of the days is below their"
        f" median in the other; slope {found.slope:+.3g}, probability of a loss {found.loss:.3g}"
    )
    criterion = at_most(name, found.pbo, settings.overfit_probability, reason, n=moving.shape[1])
    return criterion.model_copy(update={"favours": Favours.CHANCE if found.pbo > COIN_TOSS else Favours.STUDENTS})


def _superiority(evidence: Evidence) -> list[Criterion]:
    settings, names = evidence.settings, ("superior predictions", "in the confidence set", "superior models")
    models = [name for name in ("student", "alone", "logistic") if name in evidence.traded]
    prior = evidence.daily_loss("prior")[1]
    losses = np.stack([evidence.daily_loss(name)[1] for name in models], axis=1)
    kept = np.array([i for i, each in enumerate(losses.T) if not is_constant(each - prior)], dtype=np.int64)
    if len(kept):  # students that are the same everywhere count once
        _, first = np.unique(losses[:, kept], axis=1, return_index=True)
        kept = np.sort(kept[first])
    if len(prior) < settings.min_days or 0 not in kept:
        why = (
            f"{len(prior)} days, {settings.min_days} needed"
            if len(prior) < settings.min_days
            else "the student says the base rate"
        )
        return [not_computable(name, why, n=len(prior), decides=name != names[2]) for name in names]
    block = max(float(evidence.min_block_days), np.sqrt(len(prior)))
    sizes = {"block": block, "repetitions": settings.repetitions, "seed": evidence.seed}
    test = spa(prior, losses[:, kept], **sizes)
    better = stepm(prior, losses[:, kept], **sizes)
    everything = np.column_stack([prior, losses[:, kept]])
    confident = mcs(everything, size=settings.significance, **sizes)
    place = 1 + int(np.flatnonzero(kept == 0)[0])
    among = ["prior", *(models[index] for index in kept)]
    included = [among[index] for index in confident.included]
    return [
        at_most(
            names[0], test.consistent, settings.significance,
            f"p {test.consistent:.3g} that none of {', '.join(among[1:])} is better than the base rate (Hansen's SPA;"
            f" {test.lower:.3g} to {test.upper:.3g})",
            n=len(prior), p=test.consistent,
        ),
        above(
            names[1], confident.p[place], settings.significance,
            f"the best predictions at {1 - settings.significance:.0%} are among {', '.join(included)}",
            n=len(prior), p=confident.p[place],
        ),
        Criterion(
            name=names[2], ruling=Ruling.PASS, statistic=float(len(better)), n=len(prior), decides=False,
            reason=f"better than the base rate, errors over all of them bounded: "
            f"{', '.join(among[1 + index] for index in better) or 'none'} (StepM)",
        ),
    ]  # fmt: skip
