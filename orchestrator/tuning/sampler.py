"""The next configuration of a study, and whether a trial is worth its remaining windows: by Optuna (extra [tune]).

Both are functions of the space, the seed, the trial's number and the trials before it, so nothing of Optuna is stored:
a study that was killed asks again and gets the same answers.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.tuning.space import applies, is_whole, unchanged
from schemas.config.run import RunConfig
from schemas.config.tuning import OF_LOSSES, Choices, Numbers, Space, StudySettings, Value
from schemas.contract.study import StudyTrial, TrialState

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

SEEDS = 2**32
# A trial is compared with the median of at least so many, from its second step on.
LEAST_TRIALS, FREE_STEPS = 4, 1
LEAST_FOR_IMPORTANCE = 10


def suggest(
    space: Space, config: RunConfig, settings: StudySettings, number: int, ended: Sequence[StudyTrial]
) -> dict[str, Value]:
    """The values of trial `number`, from the trials that have ended; {} for the first, which changes nothing."""
    if not number:
        return {}
    import optuna

    seed = (config.seed * 1_000_003 + number) % SEEDS
    samplers = optuna.samplers
    sampler = samplers.TPESampler(seed=seed) if settings.sampler == "tpe" else samplers.RandomSampler(seed=seed)
    trial = _study(space, config, ended, sampler).ask()
    chosen: dict[str, Value] = {}
    for name in space:
        if applies(name, config, chosen):
            chosen[name] = _suggested(trial, name, space, config, chosen)
    return chosen


def _suggested(trial: "Trial", name: str, space: Space, config: RunConfig, chosen: dict[str, Value]) -> Value:
    domain = space[name]
    if isinstance(domain, Choices):
        drawn = trial.suggest_categorical(name, domain.choices)
        assert drawn is not None
        return drawn
    low, high, step = domain.low, domain.high, domain.step
    if is_whole(name, config, chosen):
        return trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=domain.log)
    # Twelve digits, so that a file and a flag hold exactly the value that was trained.
    number = float(f"{trial.suggest_float(name, low, high, step=step, log=domain.log):.12g}")
    return min(max(number, float(low)), float(high))


def is_hopeless(
    space: Space, config: RunConfig, settings: StudySettings, ended: Sequence[StudyTrial],
    steps: Sequence[float | None],
) -> bool:  # fmt: skip
    """Whether a trial with these steps so far is to end here, by the complete ones among `ended`."""
    if settings.pruner == "none" or settings.objective not in OF_LOSSES or steps[-1] is None:
        return False
    import optuna

    pruner = optuna.pruners.MedianPruner(n_startup_trials=LEAST_TRIALS, n_warmup_steps=FREE_STEPS)
    running = optuna.create_trial(state=optuna.trial.TrialState.RUNNING, intermediate_values=_values(steps))
    return bool(pruner.prune(_study(space, config, ended), running))


def importances(space: Space, config: RunConfig, ended: Sequence[StudyTrial]) -> dict[str, float]:
    """The share of each name in the differences between complete trials, by PED-ANOVA; {} for few trials.

    Names that only some trials have, because they go with a kind of model, are left out.
    """
    complete = [each for each in ended if each.state is TrialState.COMPLETE and each.number]
    names = [name for name in space if all(name in each.chosen for each in complete)]
    if len(complete) < LEAST_FOR_IMPORTANCE or len(names) < 2 or len({each.value for each in complete}) < 2:
        return {}
    import optuna

    study = _study(space, config, complete)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings(action="ignore"):  # of few trials with one value
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator, params=names))


def _study(space: Space, config: RunConfig, ended: Sequence[StudyTrial], sampler: Any = None) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([_frozen(each, space, config) for each in ended if each.state is not TrialState.FAILED])
    return study


def _frozen(trial: StudyTrial, space: Space, config: RunConfig) -> "FrozenTrial":
    """A trial as Optuna knows it. Of the first, which changes nothing, only values inside the space are known."""
    import optuna

    values = trial.chosen if trial.number else unchanged(space, config)
    domains = {name: _distribution(name, space, config, values) for name in space if name in values}
    inside = {name: values[name] for name, each in domains.items() if _contains(each, values[name])}
    is_complete = trial.state is TrialState.COMPLETE
    return optuna.create_trial(
        state=optuna.trial.TrialState.COMPLETE if is_complete else optuna.trial.TrialState.PRUNED,
        value=trial.value if is_complete else None,
        params=inside,
        distributions={name: domains[name] for name in inside},
        intermediate_values=_values(trial.steps),
    )


def _distribution(name: str, space: Space, config: RunConfig, chosen: dict[str, Value]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    domain = space[name]
    if isinstance(domain, Numbers) and is_whole(name, config, chosen):
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log, step=int(domain.step or 1))
    if isinstance(domain, Numbers):
        return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    return CategoricalDistribution(domain.choices)


def _contains(distribution: Any, value: Value) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except ValueError:
        return False


def _values(steps: Sequence[float | None]) -> dict[int, float]:
    return {step: value for step, value in enumerate(steps) if value is not None}
