"""The functions of the API: plan, run, resume, open a run, compare, check, predict."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gurukul.stored_run import StoredRun
from schemas.contract.errors import GurukulError, RequestError

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import ValidationError

    from gurukul.comparison import Comparison
    from orchestrator.terminal.console import Console
    from schemas.config.run import RunConfig
    from schemas.files.layout import RunLayout


def plan(**settings: Any) -> pd.DataFrame:
    """Plan the windows that `run` would train with these settings, and why others are skipped. Writes nothing.

    Returns one row per window: `window_label`, `symbol`, the days `start`, `end` and `score_end` (ends are exclusive),
    `expected_rows`, and for a skipped window `skip` (reason code) and `detail`. Raises GurukulError if the request
    cannot be run.

    >>> windows = gurukul.plan(source="csv:bars", start_date="2023-06-01", end_date="2024-09-30")
    >>> windows.columns.tolist()
    ['window_label', 'symbol', 'start', 'end', 'score_end', 'expected_rows', 'skip', 'detail']
    >>> len(windows)  # three of each symbol
    9
    """
    from gurukul.frames import plan_frame
    from orchestrator.planning.windows import plan as lay_plan
    from orchestrator.runs.preflight import prepare
    from schemas.contract.coverage import CoverageTable

    prepared = prepare(_config(settings), read=True)
    return plan_frame(lay_plan(prepared.config, prepared.known or CoverageTable(), prepared.universe))


def run(*, quiet: bool = False, **settings: Any) -> StoredRun:
    """Train, judge and report with these settings; returns the finished run.

    Progress is drawn on stderr, in a notebook printed below the cell, unless `quiet`. Ctrl-C, a notebook's "interrupt"
    and SIGTERM stop the run and its workers, then KeyboardInterrupt is raised; `resume` finishes the run. Raises
    GurukulError if the request cannot be run or a phase failed; the message names the next step.

    >>> run = gurukul.run(source="csv:bars", run_id="nightly", quiet=True)  # doctest: +SKIP
    >>> run.recommendation  # doctest: +SKIP
    'hold'
    """
    from orchestrator.runs import session

    layout, code = session.start(_config(settings), _console(quiet))
    return _finished(layout, code)


def resume(run_id: str, *, data_dir: str | Path = "data", broker: str | None = None, quiet: bool = False) -> StoredRun:
    """Finish a run that was interrupted, killed, or failed; only what is missing is trained.

    Raises GurukulError if there is no such run, if the installed versions differ from the run's, or if it fails again;
    KeyboardInterrupt as `run`.

    >>> gurukul.resume("nightly").status.value  # it is finished: nothing is done
    'ready-for-review'
    """
    from orchestrator.runs import session
    from schemas.files.run_files import open_run as read_run

    manifest, layout = read_run(str(data_dir), run_id)
    return _finished(layout, session.resume(manifest, layout, broker, _console(quiet)))


def open_run(run_id: str, *, data_dir: str | Path = "data") -> StoredRun:
    """Open a stored run, finished or not. Raises GurukulError if there is none with this id under `data_dir`.

    >>> gurukul.open_run("nightly").recommendation
    'hold'
    >>> gurukul.open_run("nowhere")
    Traceback (most recent call last):
        ...
    schemas.contract.errors.RunNotFoundError: ...
    """
    from schemas.files.run_files import open_run as read_run

    _, layout = read_run(str(data_dir), run_id)
    return StoredRun(layout.folder)


def compare(first: str, second: str, *, data_dir: str | Path = "data") -> Comparison:
    """Compare two judged runs: settings that differ, scores, gates. Raises GurukulError if one was never judged.

    >>> both = gurukul.compare("nightly", "nightly")
    >>> both.same_rows, len(both.settings)
    (True, 0)
    >>> both.numbers.loc["log loss, base rate"].nunique()
    1
    """
    from gurukul.comparison import Comparison
    from gurukul.frames import beside
    from orchestrator.runs.compare import compare as side_by_side

    found = side_by_side(str(data_dir), first, second)
    settings, numbers, gates = (beside(first, second, found[name]) for name in ("settings", "numbers", "gates"))
    recommendation = dict(zip(found["runs"], map(str, found["recommendation"]), strict=True))
    return Comparison(settings, numbers, gates, found["same_rows"], recommendation)


def check(*files: str | Path, **settings: Any) -> pd.DataFrame:
    """Check the features, labels and models of plug-in files, as `orchestrator check` does.

    `settings` name the bars (`source`, `symbols`, `interval`, ...) and side data (`side`, ...); without a source the
    stored bars are used. Returns one row per feature, label and model: `kind`, `name`, `verdict` (accepted or
    refused), `faults` (why it is refused), `notes`, `missing` (share of bars without a value) and `seconds` per symbol;
    the last two are NaN for a model. A run refuses what is refused here. Raises GurukulError if a file or the bars
    cannot be read.

    >>> found = gurukul.check("ideas.py", source="csv:bars")
    >>> found[["kind", "name", "verdict"]].to_dict("records")
    [{'kind': 'feature', 'name': 'gap_to_high', 'verdict': 'accepted'}]
    """
    from gurukul.frames import checks_frame
    from orchestrator.runs.check import check_plugins, check_settings
    from schemas.contract.plugin_source import plugin_paths

    if not (paths := plugin_paths(files)):
        raise GurukulError('name a plug-in file to check, such as gurukul.check("ideas.py", source="sample")')
    return checks_frame(check_plugins(paths, *check_settings({**settings, "plugins": paths}, None, {}, in_python=True)))


def predict(
    environment: str,
    *,
    symbols: tuple[str, ...] | list[str] = (),
    source: str | None = None,
    as_of: date | None = None,
    max_age_days: int | None = None,
    side: Mapping[str, str | Path] | None = None,
    universe: str | Path | None = None,
    data_dir: str | Path = "data",
    release_dir: str | Path | None = None,
) -> pd.DataFrame:
    """Predict each symbol's newest bar with the students deployed to `environment` ("staging" or "production").

    `source` is `csv:DIR`, `parquet:DIR` or `sample`; without one the stored bars are used. `release_dir` None is the
    folder `release` beside `data_dir`. `side` maps names of side data to files, `universe` is a file of who belongs
    when; without them those of the run are read as they are now. Returns one row per scored symbol. Symbols without a
    prediction are in `frame.attrs["refused"]`, with their reason. Raises GurukulError if nothing is deployed there.

    >>> gurukul.predict("production", source="csv:bars")  # doctest: +SKIP
    symbol  ... probability
    """
    from pydantic import ValidationError

    from gurukul.frames import predictions_frame
    from orchestrator.runs.worker_process import ask
    from schemas.config.folders import beside_data
    from schemas.contract.release import Predictions, PredictRequest

    try:
        request = PredictRequest.model_validate(
            {
                "release_dir": str(Path(release_dir or beside_data("release")({"data_dir": data_dir})).absolute()),
                "data_dir": str(Path(data_dir).absolute()),
                "environment": environment,
                "symbols": tuple(symbols),
                "source": source,
                "as_of": as_of,
                "max_age_days": max_age_days,
                "side": {name: str(Path(path).absolute()) for name, path in (side or {}).items()},
                "universe": None if universe is None else str(Path(universe).absolute()),
            }
        )
    except ValidationError as error:
        raise GurukulError(f"predict: {_first_error(error)}") from None
    return predictions_frame(ask("predict", request, Predictions))


def _config(settings: dict[str, Any]) -> RunConfig:
    from orchestrator.runs.settings import FILLED_IN, resolve
    from schemas.config.run import RunConfig

    known = RunConfig.model_fields.keys() - FILLED_IN
    for name in settings:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists them by their TOML keys"
            raise RequestError(f"{name} is not a setting; {hint}")
    return resolve(RunConfig, settings, None, environment={}, in_python=True)


def _console(quiet: bool) -> Console:
    """A console on stderr; in a notebook one that prints plain lines below the cell."""
    from orchestrator.terminal.console import Console

    is_notebook = in_notebook()
    return Console(stderr=not is_notebook, plain=is_notebook, quiet=quiet)


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a Jupyter notebook."""
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")


def _finished(layout: RunLayout, code: int) -> StoredRun:
    from schemas.contract.run import RunStatus

    stored = StoredRun(layout.folder)
    if not code:
        return stored
    condition = stored.condition
    if condition.status is RunStatus.INTERRUPTED:
        step = condition.next_command(stored.run_id, layout.data_dir)
        raise KeyboardInterrupt(
            f"run {stored.run_id} was {condition.reason}; gurukul.resume({stored.run_id!r}) or `{step}` finishes it"
        )
    raise GurukulError(f"run {stored.run_id} ended as {condition.status}: {condition.reason}")


def _first_error(error: ValidationError) -> str:
    from schemas.contract.wrong_value import fault

    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))} {first['input']!r} {fault(first)}"
