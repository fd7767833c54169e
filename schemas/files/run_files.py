"""Opens a stored run, and reads and writes its rows and typed files."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.contract.artifact import RunManifest, RunRow
from schemas.contract.errors import FileError, RequestError, RunNotFoundError
from schemas.contract.identifiers import check_run_id
from schemas.contract.plan import Plan
from schemas.contract.received import first_fault
from schemas.contract.task import Role
from schemas.contract.versions import artifact_versions
from schemas.contract.window import PlannedWindow
from schemas.files.atomic import to_json, write_atomic
from schemas.files.layout import RunLayout
from schemas.files.run_paths import located, portable

M = TypeVar("M", bound=BaseModel)

# Default remedy: it applies to nearly every file of a run.
RESUME = "restore it, or resume its run"
# `resume` itself needs the manifest.
NO_RUN = "restore it, or start a new run with --reuse"

VERSION = re.compile(r"[\w.+-]{1,60}")

# Of a plan in `run.json`: what begins it, the end of a window, and what is between two.
PLAN, BRACE = b'\n  "plan": [', b"\n    }"
BETWEEN = BRACE + b",\n    {"
PIECE_BYTES = 2**16

_ROWS = TypeAdapter(list[RunRow])
_WINDOWS = TypeAdapter(list[PlannedWindow])


def write_rows(layout: RunLayout, role: Role, rows: Iterable[RunRow]) -> None:
    """Write `teacher_runs.json` or `student_runs.json`: one JSON array, one row per line."""

    def lines() -> Iterator[str]:
        before = "[\n"
        for row in rows:
            yield before + json.dumps(row.model_dump(mode="json"), allow_nan=False)
            before = ",\n"
        yield "\n]\n" if before != "[\n" else "[\n\n]\n"

    write_atomic(layout.rows(role), lines())


def read_rows(layout: RunLayout, role: Role) -> list[RunRow]:
    """Rows of a role; FileError if the file is missing or damaged."""
    return read_run_rows(layout.rows(role))


def read_run_rows(path: Path, *, remedy: str = RESUME) -> list[RunRow]:
    """As `read_rows`, of a file anywhere, such as the copy in an audit bundle."""
    content = _content(path, remedy)
    try:
        return _ROWS.validate_json(content)
    except ValidationError as error:
        raise _damaged(str(path), content, error, remedy) from None


def write_model(path: Path, model: BaseModel) -> None:
    """Write a typed value as indented JSON, atomically."""
    write_atomic(path, to_json(model.model_dump(mode="json")))


def read_model(path: Path, kind: type[M], *, remedy: str = RESUME) -> M:
    """Read a typed value; FileError names the file that is missing or damaged, and the `remedy`.

    Of a file that another version wrote it names that version, if the file does.
    """
    return model_of(_content(path, remedy), kind, str(path), remedy=remedy)


def model_of(content: bytes, kind: type[M], source: str, *, remedy: str = RESUME) -> M:
    """The typed value that a file's or an object's content holds; FileError, naming `source`, if it is damaged."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise _damaged(source, content, error, remedy) from None


def write_manifest(layout: RunLayout, manifest: RunManifest) -> None:
    """Write `run.json`, with paths that hold from any working folder."""
    config = portable(manifest.config, layout.data_dir)
    write_atomic(layout.manifest, _parts(manifest.model_copy(update={"config": config})))


def _parts(manifest: RunManifest) -> Iterator[str]:
    """The manifest as indented JSON, one window of its plan at a time: of a million, all together take gigabytes."""
    before, empty, after = to_json(manifest.model_copy(update={"plan": Plan()}).model_dump(mode="json")).partition(
        '\n  "plan": []'
    )
    yield before + empty[:-1]
    end = "]"
    for number, planned in enumerate(manifest.plan):
        text = json.dumps(planned.model_dump(mode="json"), indent=2, allow_nan=False, ensure_ascii=False)
        yield ("," if number else "") + "\n    " + text.replace("\n", "\n    ")
        end = "\n  ]"
    yield end + after


def read_manifest(layout: RunLayout) -> RunManifest:
    """Read `run.json`; the paths in its config are those of this process. FileError if it is missing or damaged."""
    content = _content(layout.manifest, NO_RUN)
    manifest = _in_pieces(content) or model_of(content, RunManifest, str(layout.manifest), remedy=NO_RUN)
    try:
        return manifest.model_copy(update={"config": located(manifest.config, layout.data_dir)})
    except OSError as error:
        raise FileError(f"{layout.manifest} names a path that this system cannot have: {error.strerror}") from None


def _in_pieces(content: bytes) -> RunManifest | None:
    """The manifest in `run.json` as `write_manifest` writes it, None if it is not; few windows are parsed at a time.

    Parsed at once, each of a million windows takes 2.7 kB until the last is read.
    """
    start = content.find(PLAN) + len(PLAN)
    end = content.find(b"\n  ]", start)

    def windows() -> Iterator[PlannedWindow]:
        at = start
        while at < end:
            cut = content.find(BETWEEN, at + PIECE_BYTES, end) + len(BRACE)
            cut = cut if cut >= at + PIECE_BYTES else end
            yield from _WINDOWS.validate_json(b"[%b]" % content[at:cut])
            at = cut + 1

    if start < len(PLAN) or end < 0:
        return None
    try:
        rest = RunManifest.model_validate_json(content[:start] + content[end:])
        return rest.model_copy(update={"plan": Plan(windows())})
    except ValueError:
        return None  # it is parsed at once then, for the error


def open_run(data_dir: str | Path, run_id: str) -> tuple[RunManifest, RunLayout]:
    """The manifest and folder of a stored run; RequestError for a malformed id, RunNotFoundError if there is none."""
    try:
        layout = RunLayout.under(data_dir, check_run_id(run_id))
    except ValueError as error:
        raise RequestError(str(error)) from None
    if not layout.manifest.is_file():
        raise RunNotFoundError(run_id, data_dir, [path.parent.name for path in layout.folder.parent.glob("*/run.json")])
    return read_manifest(layout), layout


def _content(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise FileError(f"{path} is missing; {remedy}") from None


def _damaged(path: str, content: bytes, error: ValidationError, remedy: str) -> FileError:
    fault, writer, own = first_fault(error), _writer(content), artifact_versions()["gurukul"]
    if writer is None:
        return FileError(f"{path} is damaged, or another version wrote it: {fault}; {remedy}")
    if writer == own:
        return FileError(f"{path} is damaged: {fault}; {remedy}")
    return FileError(
        f"{path} was written by gurukul {writer}, which this one, {own}, cannot read: {fault}; use that version,"
        f" or {remedy}"
    )


def _writer(content: bytes) -> str | None:
    """The version of the program that a file names as its writer; None if it names none."""
    try:
        version = json.loads(content)["versions"]["gurukul"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return version if isinstance(version, str) and VERSION.fullmatch(version) else None
