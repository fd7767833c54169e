"""Whether a message or an artifact is the one that its run would have made: both are compared with `run.json`.

Any program that can write to a broker or into a folder can put there what no task of the run has made. What is stored
is used only if its settings, inputs and key follow from the run's own manifest.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, Protocol

from pydantic import ValidationError

from schemas.contract.artifact import (
    METADATA_KINDS,
    RunManifest,
    StudentInputs,
    StudentMetadata,
    TeacherInputs,
    TeacherMetadata,
    key_of,
)
from schemas.contract.errors import FileError
from schemas.contract.plan import parts_of
from schemas.contract.received import first_fault
from schemas.contract.task import WINDOW_ROLES, Role, Status, WindowTask
from schemas.contract.window import PANEL, Scope, Window
from schemas.files.bounded import LARGEST_FILE_BYTES, read_bounded
from schemas.files.layout import METADATA, RunLayout
from schemas.files.run_files import read_manifest


@dataclass(frozen=True)
class OwnRun:
    """A run's manifest, prepared for comparing many messages and artifacts with it."""

    manifest: RunManifest

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The training settings as JSON values."""
        return self.manifest.config.training().model_dump(mode="json")

    @cached_property
    def _scopes(self) -> dict[Role, Scope]:
        settings = self.manifest.config.training()
        return {Role.TEACHER: settings.scope, Role.STUDENT: settings.scope_of_students}

    def window(self, role: Role, label: str) -> Window | None:
        """The window of that label that the plan holds for a role; None if there is none."""
        plan, parts = self.manifest.plan, parts_of(label)
        if parts is None or role not in self._scopes:
            return None
        symbol, *days = parts
        if self._scopes[role] == "symbol":
            found = plan.find(symbol, *days)
            return found.window if found is not None else None
        windows = plan.spanning(*days) if symbol == PANEL else []
        return windows[-1].window.in_scope("panel") if windows else None


def foreign_task(task: WindowTask, run: OwnRun) -> str:
    """How a message differs from the one that its run would send, naming the field; empty if it does not."""
    wanted, manifest = run.window(task.role, task.window.label), run.manifest
    if wanted is None:
        return f"run.json plans no {task.role} {task.window.label}"
    stored = manifest.bars.symbols if manifest.bars is not None else {}
    bars = {symbol: stored[symbol].sha256 if symbol in stored else None for symbol in task.bars}
    found = task.model_dump(mode="json", include={"window", "settings", "bars", "reuse"})
    return _difference(
        found,
        {
            "window": wanted.model_dump(mode="json"),
            "settings": run.settings,
            "bars": bars,
            "reuse": manifest.config.reuse,
        },
    )


def foreign_artifact(found: TeacherMetadata | StudentMetadata, run: OwnRun, label: str) -> str:
    """How an artifact's metadata differs from those of the run's own, naming the field; empty if it does not.

    Not compared: the digests of bars, which only a look at the bars can prove.
    """
    window, versions = run.window(found.role, label), run.manifest.versions
    if window is None:
        return f"run.json plans no {found.role} {label}"
    span = window.span if found.role is Role.TEACHER else window
    known = {name: versions.get(name, version) for name, version in found.versions.items()}
    return _difference(
        found.model_dump(mode="json", include={"window", "settings", "versions"}),
        {
            "window": span.model_dump(mode="json"),
            "settings": run.settings,
            "versions": known,
        },
    ) or foreign_key(found)


def foreign_key(found: TeacherMetadata | StudentMetadata) -> str:
    """Whether the key of an artifact is not that of its inputs; empty if it is."""
    kind = TeacherInputs if isinstance(found, TeacherMetadata) else StudentInputs
    own = key_of(kind(**{name: getattr(found, name) for name in kind.model_fields}))
    return "" if found.key == own else f"key is {found.key[:12]}…, that of its inputs {own[:12]}…"


def foreign_inputs(
    found: TeacherMetadata | StudentMetadata, wanted: TeacherInputs | StudentInputs, *, some_bars: bool = False
) -> str:
    """How an artifact's inputs differ from `wanted`, naming the field; `some_bars`: only of the symbols in `wanted`."""
    names = set(type(wanted).model_fields)
    stored, own = found.model_dump(mode="json", include=names), wanted.model_dump(mode="json")
    if some_bars:
        stored["bars_sha256"] = {name: stored["bars_sha256"].get(name) for name in own["bars_sha256"]}
    return _difference(stored, own, "this task") or foreign_key(found)


class End(Protocol):
    """How a piece of work ended: an outcome, or its record in the ledger."""

    @property
    def role(self) -> Role:
        """Its role."""

    @property
    def name(self) -> str:
        """The label of its window, or another name."""

    @property
    def status(self) -> Status | None:
        """None: it has not ended."""

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each file of its artifact."""

    @property
    def key(self) -> str | None:
        """The key of its artifact."""


def foreign_end(end: End, layout: RunLayout) -> str:
    """Why the artifact of a success is not the run's own; empty if it is, and where there is no artifact."""
    if end.role not in WINDOW_ROLES or end.status is not Status.SUCCESS:
        return ""
    path = layout.artifact(end.name, end.role) / METADATA
    try:
        content = read_bounded(path, LARGEST_FILE_BYTES)
        if sha256(content).hexdigest() != end.digests.get(METADATA):
            return f"{path} is not what its attempt reported"
        found = METADATA_KINDS[end.role].model_validate_json(content)
    except FileNotFoundError:
        return f"{path} is missing"
    except FileError as error:
        return str(error)
    except ValidationError as error:
        return f"{path}: {first_fault(error)}"
    difference = foreign_artifact(found, own_run(layout), end.name)
    if not difference and end.key != found.key:
        difference = "its key is not what its attempt reported"
    if not difference and isinstance(found, StudentMetadata):
        with suppress(FileNotFoundError):  # a teacher that is to be trained again is not here
            difference = other_teacher(found, layout, own_run(layout).manifest.config.scope)
    return f"{path} was not made by this run: {difference}" if difference else ""


def other_teacher(student: StudentMetadata, layout: RunLayout, scope: Scope) -> str:
    """Why a student's teacher is not the one that is stored here; empty if it is, FileNotFoundError if there is none.

    A worker may have had its teacher from a store, where others can have replaced it.
    """
    path = layout.artifact(student.window.in_scope(scope).label, Role.TEACHER) / METADATA
    if sha256(read_bounded(path, LARGEST_FILE_BYTES)).hexdigest() == student.teacher_sha256:
        return ""
    return f"teacher_sha256 is not that of {path}"


def own_run(layout: RunLayout) -> OwnRun:
    """A run's manifest, read again only after it was replaced. FileError if it is missing or damaged."""
    try:
        state = layout.manifest.stat()
    except FileNotFoundError:
        return OwnRun(read_manifest(layout))  # raises, with the remedy
    return _read(layout, state.st_ino, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read(layout: RunLayout, *_: int) -> OwnRun:
    return OwnRun(read_manifest(layout))


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any], of: str = "run.json", path: str = "") -> str:
    """The first field, in order of names, whose value differs."""
    for name in sorted(found.keys() | wanted.keys()):
        has, should, where = found.get(name), wanted.get(name), f"{path}{name}"
        if isinstance(has, Mapping) and isinstance(should, Mapping):
            if inner := _difference(has, should, of, f"{where}."):
                return inner
        elif has != should:
            return f"{where} is {_short(has)}, {of} has {_short(should)}"
    return ""


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
