"""The search of a study: asks for configurations, runs several trials at once, and records them in order.

Trial n is chosen by the trials up to n less those that run beside it, whichever of them end first. So its settings
depend on the seed and on results alone, and a study that was killed goes on as if nothing had happened.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial

from orchestrator.phases.trial_record import settings_digest
from orchestrator.tuning.sampler import is_hopeless, suggest
from orchestrator.tuning.study_log import append_trial, read_trials
from orchestrator.tuning.trial_config import trial_config
from orchestrator.tuning.trial_run import Hopeless
from schemas.config.run import RunConfig
from schemas.config.tuning import Value
from schemas.contract.errors import FinalError, RequestError
from schemas.contract.study import Study, StudyTrial, TrialState
from schemas.files.layout import RunLayout

LOOK_S = 0.5


# Trains and scores a trial, of this number, these values and these settings; called in a thread.
Run = Callable[[int, dict[str, Value], RunConfig, Hopeless], StudyTrial]


class Search:
    """One study: `config` is the run without a change, `run` runs a trial, `show` is called with each that ended."""

    def __init__(
        self, layout: RunLayout, study: Study, config: RunConfig, run: Run, show: Callable[[StudyTrial], None]
    ) -> None:
        self._layout, self._study, self._config, self._run, self._show = layout, study, config, run, show
        self.ended = read_trials(layout)
        self._running: dict[int, Future[StudyTrial]] = {}
        # Of each trial that another one was compared with.
        self._digests: dict[int, str | None] = {}

    def run(self, tend: Callable[[], None], stop: Callable[[BaseException], None]) -> list[StudyTrial]:
        """Run the trials that are left. `tend` is called between looks and raises what ends the study.

        `stop` is called with that, and must make running trials end soon.
        """
        settings = self._study.settings
        with ThreadPoolExecutor(settings.parallel, thread_name_prefix="trial") as pool:
            try:
                while len(self.ended) < settings.trials:
                    self._begin(pool)
                    wait([self._running[len(self.ended)]], timeout=LOOK_S)
                    tend()
                    if self._running[len(self.ended)].done():
                        self._end(self._running.pop(len(self.ended)).result())
            except BaseException as error:
                stop(error)
                raise
        return self.ended

    def _begin(self, pool: ThreadPoolExecutor) -> None:
        """Begin the trials that may run beside the oldest one that has not ended."""
        settings, space = self._study.settings, self._study.space
        for number in range(len(self.ended), min(len(self.ended) + settings.parallel, settings.trials)):
            if number in self._running:
                continue
            before = self.ended[: max(number - settings.parallel + 1, 0)]
            chosen = suggest(space, self._config, settings, number, before)
            self._running[number] = pool.submit(self._try, number, chosen, before)

    def _try(self, number: int, chosen: dict[str, Value], before: Sequence[StudyTrial]) -> StudyTrial:
        settings, space = self._study.settings, self._study.space
        run_id = self._layout.trial(number).folder.name
        try:
            config = trial_config(self._config, self._study, chosen)
        except RequestError as error:
            failed = TrialState.FAILED
            return StudyTrial(number=number, run_id=run_id, chosen=chosen, state=failed, message=str(error))
        if (twin := self._twin(config, before)) is not None:
            return twin.model_copy(update={"number": number, "chosen": chosen, "same_as": twin.number})
        return self._run(number, chosen, config, partial(is_hopeless, space, self._config, settings, before))

    def _twin(self, config: RunConfig, before: Sequence[StudyTrial]) -> StudyTrial | None:
        """An earlier trial with the same settings."""
        digest = settings_digest(config)
        own = (each for each in before if each.same_as is None)
        return next((each for each in own if self._digest(each) == digest), None)

    def _digest(self, trial: StudyTrial) -> str | None:
        """The digest of a trial's settings; None if they do not go together."""
        if trial.number not in self._digests:
            digest = None
            with suppress(RequestError):
                digest = settings_digest(trial_config(self._config, self._study, trial.chosen))
            self._digests[trial.number] = digest
        return self._digests[trial.number]

    def _end(self, trial: StudyTrial) -> None:
        """Record a trial. FinalError if the first one is not complete: nothing could be compared with it."""
        if trial.number == 0 and trial.state is not TrialState.COMPLETE:
            raise FinalError(f"the configuration without a change cannot be scored: {trial.message}")
        least = self._config.gates.min_scored_share * (self.ended[0].windows if self.ended else 0)
        if trial.state is TrialState.COMPLETE and trial.windows < least:
            message = f"it scored {trial.windows} windows, and trial 0 {self.ended[0].windows}"
            trial = trial.model_copy(update={"state": TrialState.FAILED, "value": None, "message": message})
        append_trial(self._layout, trial)
        self.ended.append(trial)
        self._show(trial)
