"""The run that a command is about: named, named in part, or the newest."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.cli.options import NewestRun, NewestWindow, RunArgument, WindowArgument
from schemas.contract.command_line import command_line
from schemas.contract.errors import RequestError
from schemas.files.layout import RunLayout


def with_run_choice(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let RUN_ID of a command be left out or shortened, if it has one under `--data-dir` and declares `RunArgument`.

    A command with a window accepts the window alone.
    """
    signature = inspect.signature(command)
    parameters = dict(signature.parameters)
    if getattr(parameters.get("run_id"), "annotation", None) is not RunArgument:
        return command

    @functools.wraps(command)
    def wrapper(**given: Any) -> Any:
        if "window" in given and given["window"] is None:
            given["run_id"], given["window"] = None, given["run_id"]
            if given["window"] is None:
                newest = RunLayout.under(given["data_dir"], whole_id(given["data_dir"], None))
                trained = sorted(path.name for path in newest.folder.glob("windows/*"))
                label = trained[0] if trained else "TCS_2022-01-01_to_2022-06-30"
                raise RequestError(f"name a window, such as {label}; student_runs.json of the run lists them")
        if given.get("bundle") is None:  # which stands for the run
            given["run_id"] = whole_id(given["data_dir"], given["run_id"])
        return command(**given)

    optional = {"run_id": (RunArgument, NewestRun), "window": (WindowArgument, NewestWindow)}
    for name, (declared, replaced) in optional.items():
        if name in parameters and parameters[name].annotation is declared:
            parameters[name] = parameters[name].replace(annotation=replaced, default=None)
    wrapper.__signature__ = signature.replace(parameters=list(parameters.values()))  # type: ignore[attr-defined]
    wrapper.__annotations__ = {name: each.annotation for name, each in parameters.items()}
    return wrapper


def whole_id(data_dir: str | Path, given: str | None) -> str:
    """The id of the run that was changed last, or of the one run whose id contains `given`.

    Unchanged if no run under `data_dir` has it; a trial of a study has to be named in full. RequestError if several
    have it, or none is stored at all.
    """
    runs = [path.parent for path in Path(data_dir).glob("models/*/run.json")]
    runs = [folder for folder in runs if RunLayout(folder).parent_study is None]
    if given is None:
        if not runs:
            raise RequestError(
                f"no run is stored under {data_dir}/models; `{command_line('run', data_dir=data_dir)}` starts one"
            )
        return max(runs, key=lambda run: (run / "run.json").stat().st_mtime_ns).name
    names = sorted(run.name for run in runs if given in run.name)
    if given in names or not given or not names:
        return given
    if len(names) > 1:
        from orchestrator.audit.wording import some

        raise RequestError(f"{len(names)} runs have {given} in their id: {some(names)}; give more of it")
    return names[0]
