"""RUN_ID may be left out, or shortened."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import cli
from orchestrator.cli.run_choice import whole_id
from schemas.contract.errors import RequestError

RUNS = ("live_candidate_20260102_030405", "live_candidate_20260103_040506", "monday")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    for age, name in enumerate(RUNS):
        manifest = tmp_path / "models" / name / "run.json"
        manifest.parent.mkdir(parents=True)
        manifest.touch()
        os.utime(manifest, (1000 - age, 1000 - age))
    (tmp_path / "models" / "no_run").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, RUNS[0]),
        ("030405", RUNS[0]),
        ("20260103", RUNS[1]),
        ("mon", "monday"),
        ("monday", "monday"),
        ("tuesday", "tuesday"),
        ("no_run", "no_run"),
        ("", ""),
    ],
)
def test_the_run_that_is_meant(data_dir: Path, given: str | None, meant: str) -> None:
    """The one changed last, or the only one with that part; what no run has is left to the command."""
    assert whole_id(data_dir, given) == meant


def test_a_whole_id_is_never_a_part_of_another(data_dir: Path) -> None:
    """A run that is named whole is meant, also where another id contains it."""
    longer = data_dir / "models" / "monday_again" / "run.json"
    longer.parent.mkdir()
    longer.touch()
    assert whole_id(data_dir, "monday") == "monday"


def test_a_part_of_several_ids_is_refused_with_their_names(data_dir: Path) -> None:
    """The error lists the runs that could be meant."""
    with pytest.raises(RequestError, match=f"2 runs have live in their id: {RUNS[0]}, {RUNS[1]}; give more of it"):
        whole_id(data_dir, "live")


def test_without_a_run_there_is_no_newest_one(tmp_path: Path) -> None:
    """The error names the command that starts one."""
    with pytest.raises(RequestError, match=r"no run is stored under .*`orchestrator run --data-dir .*` starts one"):
        whole_id(tmp_path, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("status", "mondey"), "(near: monday)"),
        (("approve", "live", "--by", "asha"), "2 runs have live"),
        (("cancel", "live"), "2 runs have live"),
        (("compare", "live", "monday"), "2 runs have live"),
        (("explain",), "name a window"),
        (("deploy", "monday", "--to", "stagin", "--by", "a"), "did you mean staging?"),
    ],
    ids=" ".join,
)
def test_commands_choose_the_run_alike(data_dir: Path, arguments: tuple[str, ...], words: str) -> None:
    """Each refuses an ambiguous part, and suggests what is near."""
    result = CliRunner().invoke(cli, [*arguments, "--data-dir", str(data_dir)])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


@pytest.mark.parametrize("command", ["approve", "reject", "deploy", "cancel", "fetch"])
def test_what_changes_for_others_needs_a_name(command: str) -> None:
    """The newest run is no default of a command that decides over it."""
    result = CliRunner().invoke(cli, [command])
    assert result.exit_code == 2 and "Missing argument" in result.output
