"""Plug-ins that misbehave in the process that loads them before a run: each is one sentence, or does no harm."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestrator.runs.plugins import ask_about, refuse_other_plugins
from schemas.config.judgement import OwnGate
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import RequestError
from schemas.contract.plugin_source import plugin_digests

HEAD = "import ctypes, os, sys, threading, time\nimport gurukul as gk\n"
FEATURE = "\n@gk.feature(warmup=1)\ndef f(bars):\n    return bars['close']\n"


def asked(folder: Path, code: str) -> tuple[str, ...]:
    """The columns that a real child process reports for a plug-in with this code."""
    path = folder / "ideas.py"
    path.write_text(HEAD + code + FEATURE)
    return ask_about(("f",), (str(path),)).columns


def test_a_plug_in_that_ends_the_process_is_named(tmp_path: Path) -> None:
    """A fault of C code, like an exit below Python, is a RequestError with the file, before a run opens."""
    with pytest.raises(RequestError, match=r"loads .*ideas.py ended with exit code -11 .*must not end its process"):
        asked(tmp_path, "ctypes.string_at(0)")


def test_prints_and_threads_do_no_harm(tmp_path: Path) -> None:
    """What is written to standard output, also below Python, is no answer; a thread that goes on keeps no process."""
    noise = "print('{}')\nos.write(1, b'{}')\nsys.stdout = None\n"
    assert asked(tmp_path, f"{noise}threading.Thread(target=time.sleep, args=(3600,)).start()") == ("f",)


def test_a_run_goes_on_with_the_plug_ins_that_it_recorded(tmp_path: Path) -> None:
    """A digest that differs is refused, and so is a file without one."""
    path = tmp_path / "mine.py"
    path.write_text("import gurukul as gk\n\n@gk.gate('Is it?')\ndef mine(evidence): ...\n")
    dates = {"start_date": date(2024, 1, 1), "end_date": date(2024, 6, 1)}

    def manifest(*gates: OwnGate) -> RunManifest:
        config = RunConfig(data_dir=str(tmp_path), plugins=(str(path),), own_gates=gates, **dates)
        now = datetime.now(UTC)
        return RunManifest(run_id="a", created=now, config=config, devices=(), bars=None, plan=(), versions={})

    gate = OwnGate(
        name="mine", question="Is it?", decides=False, plugin="mine", sha256=plugin_digests([str(path)])["mine"]
    )
    refuse_other_plugins(manifest(gate))
    with pytest.raises(RequestError, match="has changed since run a began"):
        refuse_other_plugins(manifest(gate.model_copy(update={"sha256": "0" * 64})))
    with pytest.raises(RequestError, match=r"a/run.json has no digest of .*mine.py"):
        refuse_other_plugins(manifest())


def test_the_name_of_a_gate_is_no_path() -> None:
    """A gate's result is a file of its name, so a damaged run.json could lead out of the run's folder."""
    with pytest.raises(ValueError, match="letters, digits and _ only"):
        OwnGate(name="../../x", question="Is it?", decides=False, plugin="mine", sha256="0" * 64)
