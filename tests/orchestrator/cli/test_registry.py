"""The registry: which commands there are, and their help."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator import cli as package
from orchestrator.cli.app import cli
from orchestrator.cli.panels import SETTINGS
from orchestrator.cli.registry import SECTIONS
from orchestrator.runs.settings import FILLED_IN, TABLES, flag_of
from schemas.config.bars import IngestConfig
from schemas.config.tuning import TuneConfig
from schemas.contract.versions import artifact_versions
from schemas.terminal.command_help import PANELS
from workers.cli import cli as workers

COMMANDS = [name for names in SECTIONS.values() for name in names if name != "telemetry"]
TELEMETRY = ["tail", "validate", "play"]
SHARED = {
    "app", "broker_file", "checks", "config_flags", "error_boundary", "insecure_tls", "options", "output", "registry",
    "release_log", "panels", "run_choice", "run_report", "study_report",
}  # fmt: skip
EIGHTY = {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}


def help_of(*command: str) -> str:
    result = CliRunner(env=EIGHTY).invoke(cli, [*command, "--help"], prog_name="orchestrator")
    assert result.exit_code == 0, result.output
    return result.output


def test_every_module_is_a_registered_command_or_shared_code() -> None:
    """A file of a command that is in no section would be a command that cannot be run."""
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")} - {"__init__"}
    assert modules - SHARED == set(COMMANDS)


def test_the_help_fits_80_columns_and_cuts_no_summary() -> None:
    """`orchestrator --help` has one line per command, under its section, with the whole summary."""
    usage, *lines = help_of().splitlines()
    assert max(map(len, lines)) <= 80 and not any(line.endswith("...") for line in lines), usage
    for section, names in SECTIONS.items():
        start = lines.index(f"{section}:") + 1
        assert [line.split()[0] for line in lines[start : start + len(names)]] == list(names)


@pytest.mark.parametrize(
    "command", [*((name,) for name in COMMANDS), *(("telemetry", name) for name in TELEMETRY)], ids=" ".join
)
def test_every_command_has_an_example_within_80_columns(command: tuple[str, ...]) -> None:
    """The help of a command shows at least one command line, whole, and no line is longer than a terminal."""
    text = help_of(*command)
    assert f"  orchestrator {' '.join(command)}" in text
    assert max(map(len, text.splitlines())) <= 80


def test_every_setting_stands_in_one_panel() -> None:
    """The help of `run` groups its options; a setting in no panel would stand under another heading by chance."""
    fields = {name for kind in (TuneConfig, IngestConfig) for name in kind.model_fields} - {*TABLES, *FILLED_IN}
    placed = [name for names in SETTINGS.values() for name in names]
    assert sorted(placed) == sorted(fields)
    assert tuple(SETTINGS) == PANELS


def test_the_help_of_run_has_panels_and_types() -> None:
    """Headings in order, those of a study left out, the type of each value, one style of defaults."""
    lines = help_of("run").splitlines()
    headings = [line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert ["Search", *headings] == list(PANELS)
    text = "\n".join(lines)
    for words in (
        "--horizon INT", "--start-date DATE", "--threshold NUMBER", "--data-dir DIR", "--symbols A,B,...",
        "--entry [next-open|close]", "--config FILE", "[default: 5]",
    ):  # fmt: skip
        assert words in text
    assert "<" not in text and "[default: (" not in text


def test_plan_shows_only_what_it_uses() -> None:
    """`plan` accepts the line of `run`, and lists the options on which its windows depend."""
    text = help_of("plan")
    assert all(f"  {flag_of(name)} " in text for name in ("window_days", "cost_bps", "slippage_bps"))
    for name in ("seed", "capital", "priority", "teacher", "telemetry_dir", "window_limit"):
        assert f"  {flag_of(name)} " not in text


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_both_flags_of_help(flag: str) -> None:
    """`-h` is `--help`, of the program and of each command."""
    for command in ([], ["status"], ["telemetry"], ["telemetry", "tail"]):
        assert CliRunner().invoke(cli, [*command, flag]).exit_code == 0


def test_a_misspelt_command_or_flag_has_its_neighbour() -> None:
    """The error names the nearest one."""
    assert "'status'" in CliRunner().invoke(cli, ["staus"]).output
    assert "--horizon" in CliRunner().invoke(cli, ["run", "--horizn", "3"]).output


def completed(shell: str, line: str) -> str:
    """What a shell receives when a word of `line`, the last one, is completed."""
    at = {"COMP_WORDS": line.replace(" ", "\n"), "COMP_CWORD": str(line.count(" "))} if shell == "bash" else {}
    asked = {"_ORCHESTRATOR_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line, **at}
    result = CliRunner().invoke(cli, env=asked | {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}, prog_name="orchestrator")
    return result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_flags_choices_and_runs(shell: str, tmp_path: Path) -> None:
    """Also the ids of the runs under the data folder of the line."""
    (tmp_path / "models" / "nightly").mkdir(parents=True)
    (tmp_path / "models" / "nightly" / "run.json").touch()
    for line, wanted in {
        "orchestrator sta": "status",
        "orchestrator run --hor": "--horizon",
        "orchestrator run --entry n": "next-open",
        "orchestrator deploy nightly --to st": "staging",
        f"orchestrator status --data-dir {tmp_path} ni": "nightly",
    }.items():
        assert wanted in completed(shell, line), line


def test_a_refused_value_is_described_as_in_the_help() -> None:
    """An argument by its name there, a wrong choice with the nearest one, a number out of range by its bound."""
    for words, text in {
        ("cancel",): "Missing argument RUN_ID",
        ("fleet", "drian"): "must be drain or cordon or uncordon; did you mean drain?",
        ("dashboard", "--port", "99999"): "must be at most 65535",
        ("metrics", "--port", "many"): "is not a whole number",
    }.items():
        assert text in CliRunner(env={"COLUMNS": "200"}).invoke(cli, [*words]).output


def test_both_programs_print_the_version_that_the_hosts_of_a_fleet_share() -> None:
    """The digest of the code is what a refused worker's message names."""
    for app in (cli, workers):
        result = CliRunner().invoke(app, ["--version"])
        assert (result.exit_code, result.output) == (0, f"gurukul {artifact_versions()['gurukul']}\n")
