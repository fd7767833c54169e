"""`orchestrator export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from orchestrator.cli.checks import file_to_write, named
from orchestrator.cli.options import DataDir, Json, RunArgument, WindowArgument
from orchestrator.terminal.console import Console
from schemas.contract.errors import RequestError
from schemas.contract.extras import explain_missing, missing_modules
from schemas.contract.identifiers import check_run_id
from schemas.contract.requests import OnnxRequest, OnnxWritten
from schemas.contract.task import Role


def export(
    run_id: RunArgument,
    window: WindowArgument,
    onnx: Annotated[str, typer.Option(help="File to write, .onnx.")] = "",
    role: Annotated[Literal["student", "teacher"], typer.Option(help="Which model of the window.")] = "student",
    data_dir: DataDir = "data",
    as_json: Json = False,
) -> None:
    """Write a window's model as an ONNX file.

    Before it is written, onnxruntime predicts all rows of the window with it. Nothing is written if a probability
    differs from the stored model's by more than 1e-6, or a value by more than that share of the largest.

    \b
    Example:
      orchestrator export nightly TCS_2022-01-01_to_2022-06-30 \\
        --onnx tcs.onnx
    """
    from orchestrator.runs.worker_process import ask

    if not onnx:
        raise RequestError("name the file to write, such as --onnx model.onnx")
    path = file_to_write("--onnx", onnx, (".onnx",))
    if missing := missing_modules(["onnx"]):
        raise RequestError(explain_missing(missing))
    console = Console(stderr=as_json)
    request = OnnxRequest(
        data_dir=str(Path(data_dir).absolute()), run_id=named("RUN_ID", check_run_id, run_id), label=window,
        role=Role(role), out=path,
    )  # fmt: skip
    with console.status("computing features"):
        found = ask("onnx", request, OnnxWritten)
    if as_json:
        typer.echo(found.model_dump_json())
        return
    kinds = " and ".join(found.kinds)
    console.write(
        f"{onnx}: {role} ({kinds}), {len(found.features)} features; largest difference of a {found.of} on the"
        f" window's {found.rows} rows: {found.difference:.2g}"
    )
