"""The error tree: each class has its exit code and message."""

import ast
import json
from pathlib import Path

import pytest

from schemas.contract import errors
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import FileError, GurukulError, RequestError, RunNotFoundError
from schemas.contract.versions import artifact_versions
from schemas.files.run_files import open_run, read_model

ROOT = Path(__file__).parents[3]


def classes(base: type[GurukulError] = GurukulError) -> list[type[GurukulError]]:
    """The classes of the contract's error tree."""
    return [
        base,
        *(each for child in base.__subclasses__() if child.__module__ == errors.__name__ for each in classes(child)),
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("GurukulError", 2), ("RequestError", 2), ("HeldError", 2), ("RunNotFoundError", 2),
        ("DataError", 2), ("FileError", 2), ("StoreError", 3), ("DiskFullError", 3),
        ("PhaseError", 3), ("FinalError", 3),
        ("Stopped", 130), ("Interrupted", 130), ("Cancelled", 130),
    ],
)  # fmt: skip
def test_every_class_has_its_exit_code(name: str, code: int) -> None:
    """The exit codes that the README promises, by class; a new class is entered here."""
    assert {each.__name__ for each in classes()} == {
        "GurukulError", "RequestError", "HeldError", "RunNotFoundError", "DataError", "FileError", "StoreError",
        "DiskFullError", "PhaseError", "FinalError",
        "Stopped", "Interrupted", "Cancelled",
    }  # fmt: skip
    assert getattr(errors, name).exit_code == code


def test_a_missing_run_is_described_in_one_place() -> None:
    """Only the error's class has the message; every command raises that class."""
    found = [
        path.relative_to(ROOT).as_posix()
        for package in ("gurukul", "orchestrator", "schemas", "workers")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "there is no run" in node.value.lower()
    ]
    assert found == ["schemas/contract/errors.py"]


def test_a_missing_run_names_the_folder_and_the_command_that_lists_runs(tmp_path: Path) -> None:
    """The command has the flag that it needs to find the same folder."""
    with pytest.raises(RunNotFoundError) as caught:
        open_run(tmp_path, "ghost")
    assert str(caught.value) == (
        f"there is no run ghost under {tmp_path}/models; `orchestrator runs --data-dir {tmp_path}` lists the runs"
    )
    assert "`orchestrator runs` lists" in str(RunNotFoundError("ghost", "data"))
    with pytest.raises(RequestError, match="is not valid: 1 to 64"):
        open_run(tmp_path, "../up")


def test_a_file_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path) -> None:
    """A missing file and a damaged one have different errors; the damaged field is named, the next step comes last."""
    path = tmp_path / "run.json"
    with pytest.raises(FileError, match=r"run\.json is missing; restore it, or resume its run$"):
        read_model(path, RunManifest)
    path.write_text('{"run_id": 7}')
    with pytest.raises(FileError, match=r"run\.json is damaged, .*: run_id: .*; start a new run$"):
        read_model(path, RunManifest, remedy="start a new run")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (
            "9.0.0+ab12cd34",
            r"was written by gurukul 9\.0\.0\+ab12cd34, which .*: .*; use that version, or",
        ),
        (artifact_versions()["gurukul"], r"run\.json is damaged: "),
        ("\n<b>", r"run\.json is damaged, or another version wrote it: "),
        (7, r"run\.json is damaged, or another version wrote it: "),
    ],
)
def test_a_file_of_another_version_names_that_version(tmp_path: Path, version: object, message: str) -> None:
    """Of a later or an earlier one alike; a file of this version is damaged; what is no version is not repeated."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"run_id": "r", "field_of_a_later_version": 1, "versions": {"gurukul": version}}))
    with pytest.raises(FileError, match=message) as caught:
        read_model(path, RunManifest, remedy="start a new run")
    assert str(caught.value).endswith("start a new run") and "\n" not in str(caught.value)
