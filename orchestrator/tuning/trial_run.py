"""A trial of a study: a run of its own settings on the study's bars, days and fleet, up to its scores."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from threading import Lock

from orchestrator.dispatch.loop import Dispatcher
from orchestrator.events.emitter import Emitter
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.run_lock import only_one
from orchestrator.phases import training, validation
from orchestrator.phases.phase_context import RunContext
from orchestrator.planning.windows import plan_before
from orchestrator.runs.preflight import refuse_other_versions
from orchestrator.runs.runtime import open_fleet
from orchestrator.runs.session import OTHER_LIBRARIES, reopen_broken
from orchestrator.runs.universe import universe_of
from orchestrator.terminal.console import Console
from orchestrator.terminal.live_view import LiveView
from orchestrator.tuning.objective import improvement, value_of
from schemas.config.run import RunConfig
from schemas.config.tuning import Value
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import Cancelled, DataError, PhaseError
from schemas.contract.judgement import Validation
from schemas.contract.run import RunStatus
from schemas.contract.study import Study, StudyTrial, TrialState
from schemas.contract.task import Role
from schemas.contract.versions import artifact_versions, installed_versions
from schemas.files.belonging import foreign_end
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, read_model, write_manifest
from schemas.redis.client import connect

Hopeless = Callable[[Sequence[float | None]], bool]


@dataclass
class Host:
    """The study that a trial belongs to; `note` prints a sentence, `progress` takes steps done and steps of a trial.

    `stopped` is why the study stops, None while it goes on: its trials raise it at their next look at the fleet.
    """

    manifest: RunManifest
    layout: RunLayout
    study: Study
    url: str
    note: Callable[[str], None]
    progress: Callable[[int, int, int], None] = lambda number, step, steps: None
    stopped: BaseException | None = None
    _noted: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def tend(self) -> None:
        """Raise what stops the study."""
        if self.stopped is not None:
            raise self.stopped

    def note_once(self, text: str) -> None:
        """Print what a trial notices about the fleet, once: every trial notices it."""
        with self._lock:
            if text and text not in self._noted:
                self._noted.add(text)
                self.note(text)


class _NotesAlone(LiveView):
    """The display of a trial: only what it notices about the fleet."""

    def __init__(self, run_id: str, host: Host) -> None:
        super().__init__(Console(), run_id)
        self._host = host

    def note(self, text: str) -> None:
        self._host.note_once(text)

    def wait_for(self, reason: str) -> None:
        self._host.note_once(reason)


def run_trial(
    host: Host, number: int, chosen: Mapping[str, Value], config: RunConfig, hopeless: Hopeless
) -> StudyTrial:
    """Train, score and record one trial, or what an earlier process has left of it; called in a thread of its own.

    `config` has its settings; `hopeless` decides after each step but the last whether it ends there. A configuration
    that cannot be trained is a failed trial; whatever stops the study is raised.
    """
    layout = host.layout.trial(number)
    manifest = _manifest(host, layout, config)
    found = partial(StudyTrial, number=number, run_id=layout.folder.name, chosen=dict(chosen))
    steps: list[float | None] = []
    with ExitStack() as stack:
        redis = stack.enter_context(connect(host.url))
        ledger = stack.enter_context(closing(_ledger(layout)))
        stack.enter_context(only_one(layout, ledger))
        reopen_broken(ledger, layout, None)
        ledger.set(status=RunStatus.RUNNING)
        telemetry = stack.enter_context(Emitter(redis, manifest.run_id, None))
        view = _NotesAlone(manifest.run_id, host)
        alone = config.model_copy(update={"local_workers": False})
        dispatcher = open_fleet(
            stack, alone, host.url, Path(), run_id=manifest.run_id, redis=redis, ledger=ledger, telemetry=telemetry,
            live_view=view, tend=partial(_tend, host, ledger), window_limit_s=config.window_limit,
            foreign=partial(foreign_end, layout=layout), trained=config,
        )  # fmt: skip
        context = RunContext(manifest, layout, ledger, dispatcher, telemetry, view)
        ends = sorted({each.window.end for each in manifest.plan if each.skip is None})

        def goes_on(day: date) -> bool:
            steps.append(improvement(ledger.records(Role.STUDENT, ended=True), day))
            host.progress(number, len(steps), len(ends))
            return not hopeless(steps)

        try:
            training.run(context, goes_on)
            if len(steps) < len(ends):
                result = found(state=TrialState.PRUNED, steps=tuple(steps))
            else:
                validation.run(context)
                scores = read_model(layout.validation, Validation)
                value = value_of(scores, host.study.settings.objective)
                result = found(state=TrialState.COMPLETE, value=value, steps=tuple(steps), windows=scores.windows)
        except (PhaseError, DataError) as error:
            result = found(state=TrialState.FAILED, steps=tuple(steps), message=str(error))
        except BaseException as error:
            _stop(dispatcher, ledger, error)
            raise
        ledger.set(status=RunStatus.READY, message=result.message)
        dispatcher.clear_broker()
        return result


def _stop(dispatcher: Dispatcher, ledger: Ledger, error: BaseException) -> None:
    is_cancelled = isinstance(error, Cancelled)
    dispatcher.stop_attempts(kill=is_cancelled)
    ledger.set(status=RunStatus.CANCELLED if is_cancelled else RunStatus.INTERRUPTED, message=str(error))


def _manifest(host: Host, layout: RunLayout, config: RunConfig) -> RunManifest:
    """`run.json` of the trial, written unless an earlier process has done so. RequestError if versions have changed."""
    if layout.manifest.is_file():
        manifest = read_manifest(layout)
        refuse_other_versions(manifest)
        return manifest
    bars = host.manifest.bars
    assert bars is not None
    manifest = RunManifest(
        run_id=layout.folder.name,
        created=datetime.now(UTC),
        config=config.model_copy(update={"run_id": layout.folder.name}),
        devices=host.manifest.devices,
        bars=bars,
        plan=plan_before(config, bars, host.study.settings.tune_end, universe_of(config)),
        versions=artifact_versions(*config.training().model_libraries) | installed_versions(*OTHER_LIBRARIES),
        trained_by=host.manifest.trained_by,
        side=host.manifest.side,
    )
    layout.folder.mkdir(exist_ok=True)
    write_manifest(layout, manifest)
    return read_manifest(layout)


def _ledger(layout: RunLayout) -> Ledger:
    return Ledger(layout.ledger) if layout.ledger.is_file() else Ledger.create(layout.ledger)


def _tend(host: Host, ledger: Ledger) -> None:
    host.tend()
    ledger.beat()
