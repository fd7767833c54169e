"""A study from request to result: checks, then the session of a run whose work is the search."""

from functools import partial
from pathlib import Path

from orchestrator.phases.phase_context import RunContext
from orchestrator.planning.windows import lay_windows, plan_before, start_from
from orchestrator.runs import session
from orchestrator.runs.course import Course, have_bars
from orchestrator.runs.plugins import with_plugins
from orchestrator.terminal.console import Console
from orchestrator.tuning.progress import Progress
from orchestrator.tuning.result import conclude, write_best
from orchestrator.tuning.search import Search
from orchestrator.tuning.space import read_space
from orchestrator.tuning.study_view import NOTHING_LEFT
from orchestrator.tuning.trial_config import plugins_by_features
from orchestrator.tuning.trial_run import Host, run_trial
from schemas.config.model_kinds import KINDS
from schemas.config.run import RunConfig
from schemas.config.tuning import Choices, Space, TuneConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import RequestError
from schemas.contract.extras import explain_missing, missing_modules
from schemas.contract.plan import Plan
from schemas.contract.study import Study
from schemas.contract.universe import Universe
from schemas.contract.window import PANEL
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_model, write_model


def start(config: TuneConfig, console: Console) -> tuple[RunLayout, int]:
    """Run a new study to its end; returns its folder and the exit code. RequestError before anything is written."""
    refuse_missing_tuner()
    refuse_dates(config)
    if config.mlflow is not None:
        raise RequestError("--mlflow stores judged runs, and a study is none: give it to `run --config best.toml`")
    run, _ = with_plugins(config.run_config(), idle=True)
    space = read_space(Path(config.space), run, config.objective)
    if run.feature_set.side is not None and "features" in space:
        raise RequestError("--side and [features] in the space exclude each other: every trial reads the side data")
    refuse_missing_kinds(run, space)
    study = Study(settings=config.study_settings(), space=space, plugins=plugins_by_features(run, space))
    return session.start(run, console, _course(study, console))


def resume(manifest: RunManifest, layout: RunLayout, broker: str | None, console: Console) -> int:
    """Go on with a study that ended early; returns the exit code. Trials that ended are not run again."""
    refuse_missing_tuner()
    study = read_model(layout.study, Study, remedy=NOTHING_LEFT)
    return session.resume(manifest, layout, broker, console, _course(study, console))


def refuse_missing_tuner() -> None:
    """RequestError, with the command that installs it, without Optuna."""
    if missing := missing_modules(["tune"]):
        raise RequestError(explain_missing(missing))


def refuse_missing_kinds(config: RunConfig, space: Space) -> None:
    """RequestError if workers are started here, and a kind of model of the space is not installed."""
    domains = [space.get(role) for role in ("teacher", "student")]
    kinds = [KINDS.get(str(name)) for each in domains if isinstance(each, Choices) for name in each.choices]
    extras = {kind.extra for kind in kinds if kind is not None and kind.extra is not None}
    if config.local_workers and (missing := missing_modules(sorted(extras))):
        raise RequestError(explain_missing(missing))


def refuse_dates(config: TuneConfig) -> None:
    """RequestError unless windows of the grid score days before `tune_end`, and others only days from it on."""
    windows = lay_windows(PANEL, config.start_date, config.end_date, config.window_days, config.step_days)
    day = config.tune_end
    if windows and windows[0].end >= day:
        raise RequestError(
            f"--tune-end {day} leaves the study no day to score: its first window ends on {windows[0].end}; choose a"
            " later day, or an earlier --start-date"
        )
    if start_from(config, day) >= config.end_date or not any(each.end >= day for each in windows):
        last = windows[-1].end if windows else config.end_date
        raise RequestError(
            f"--tune-end {day} leaves the best settings no window: the last one of these dates ends on {last}; choose"
            " an earlier day, or a later --end-date"
        )


def _course(study: Study, console: Console) -> Course:
    def plan(config: RunConfig, known: CoverageTable, universe: Universe | None) -> Plan:
        return plan_before(config, known, study.settings.tune_end, universe)

    def begin(layout: RunLayout) -> None:
        write_model(layout.study, study)

    course = Course(plan, lambda context: _walk(context, study, course, console), begin, is_judged=False)
    return course


def _walk(context: RunContext, study: Study, course: Course, console: Console) -> None:
    """Store the bars, run all trials, and write what they found."""
    have_bars(context, course)
    context.live_view.hide()
    trials = {"skip_fetch": True, "telemetry": False, "study": context.run_id}
    config = context.manifest.config.model_copy(update=trials)
    with Progress(console, study.settings) as progress:
        host = Host(context.manifest, context.layout, study, context.broker, progress.note, progress.steps)

        def stop(error: BaseException) -> None:
            host.stopped = error

        search = Search(context.layout, study, config, partial(run_trial, host), progress.add)
        progress.begin(search.ended)
        try:
            search.run(context.dispatcher.tend, stop)
        finally:
            ended = f"{len(search.ended)} of {study.settings.trials} trials ended."
            write_best(context.layout, study, search.ended, [ended])
    sentences = conclude(context.layout, study, search.ended)
    write_best(context.layout, study, search.ended, sentences)
    context.ledger.set(study="\n".join(sentences))
