"""The functions of the API: plan, run, resume, open a run, predict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gurukul.stored_run import StoredRun
from schemas.contract.errors import GurukulError

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import ValidationError

    from orchestrator.terminal.console import Console
    from schemas.config.run import RunConfig
    from schemas.files.layout import RunLayout

PLAN_COLUMNS = ("window_label", "symbol", "start", "end", "score_end", "expected_rows", "skip", "detail")


def plan(**settings: Any) -> pd.DataFrame:
    """Plan the windows that `run` would train with these settings, and why others are skipped. Writes nothing.

    Returns one row per window: `window_label`, `symbol`, `start`, `end` and `score_end` (dates; ends are exclusive),
    `expected_rows`, and for a skipped window `skip` (reason code) and `detail`. Raises GurukulError if the request
    cannot be run.
    """
    import pandas as pd

    from orchestrator.planning.windows import plan as lay_plan
    from orchestrator.runs.preflight import prepare
    from schemas.contract.coverage import CoverageTable

    prepared = prepare(_config(settings), read=True)
    windows = lay_plan(prepared.config, prepared.known or CoverageTable())
    rows = [
        (
            each.window.label, each.window.symbol, each.window.start, each.window.end, each.window.score_end,
            each.expected_rows, each.skip and str(each.skip), each.detail,
        )
        for each in windows
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(PLAN_COLUMNS))


def run(*, quiet: bool = False, **settings: Any) -> StoredRun:
    """Train, judge and report with these settings; returns the finished run.

    Progress is drawn on stderr unless `quiet`. Ctrl-C stops the run, which `resume` can finish. Raises GurukulError
    if the request cannot be run or a phase failed; the message names the next step.
    """
    from orchestrator.runs import session

    layout, code = session.start(_config(settings), _console(quiet))
    return _finished(layout, code)


def resume(run_id: str, *, data_dir: str | Path = "data", broker: str | None = None, quiet: bool = False) -> StoredRun:
    """Finish a run that was interrupted, killed, or failed; only what is missing is trained.

    Raises GurukulError if there is no such run, if the installed versions differ from the run's, or if it fails again.
    """
    from orchestrator.runs import session
    from schemas.files.run_files import open_run as read_run

    manifest, layout = read_run(str(data_dir), run_id)
    return _finished(layout, session.resume(manifest, layout, broker, _console(quiet)))


def open_run(run_id: str, *, data_dir: str | Path = "data") -> StoredRun:
    """Open a stored run, finished or not. Raises GurukulError if there is none with this id under `data_dir`."""
    from schemas.files.run_files import open_run as read_run

    _, layout = read_run(str(data_dir), run_id)
    return StoredRun(layout.folder)


def predict(
    environment: str,
    *,
    symbols: tuple[str, ...] | list[str] = (),
    source: str | None = None,
    as_of: date | None = None,
    max_age_days: int | None = None,
    side: Mapping[str, str | Path] | None = None,
    data_dir: str | Path = "data",
    release_dir: str | Path | None = None,
) -> pd.DataFrame:
    """Predict each symbol's newest bar with the students deployed to `environment` ("staging" or "production").

    `source` is `csv:DIR`, `parquet:DIR` or `sample`; without one the stored bars are used. `release_dir` None is the
    folder `release` beside `data_dir`. `side` maps names of side data to files; without one those of the run are read
    as they are now. Returns one row per scored symbol. Symbols without a prediction are in
    `frame.attrs["refused"]`, with their reason. Raises GurukulError if nothing is deployed there.
    """
    import pandas as pd
    from pydantic import ValidationError

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
            }
        )
    except ValidationError as error:
        raise GurukulError(f"predict: {_first_error(error)}") from None
    found = ask("predict", request, Predictions)
    frame = pd.DataFrame([each.model_dump() for each in found.predictions])
    frame.attrs["refused"] = {each.symbol: each.reason for each in found.refused}
    return frame


def _config(settings: dict[str, Any]) -> RunConfig:
    from orchestrator.runs.settings import resolve
    from schemas.config.run import RunConfig

    return resolve(RunConfig, settings, None, environment={})


def _console(quiet: bool) -> Console:
    from orchestrator.terminal.console import Console

    console = Console(stderr=True)
    console.quiet = quiet
    return console


def _finished(layout: RunLayout, code: int) -> StoredRun:
    stored = StoredRun(layout.folder)
    if code:
        raise GurukulError(f"run {stored.run_id} ended as {stored.status}: {stored.message}")
    return stored


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
