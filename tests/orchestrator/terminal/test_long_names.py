"""Tables whose names are longer than a narrow terminal has room for."""

import re
from io import StringIO

import pytest

from orchestrator.cli.fleet import _show_devices
from orchestrator.cli.runs import show_runs
from orchestrator.dispatch.fleet_report import FleetReport
from orchestrator.terminal.console import Console
from tests.orchestrator.dashboard.devices import heartbeat

LONG = "nightly_nse500_panel_rank_20261130_113701_with_costs_of_2024"
DEVICE = "gpu10@ip-10-123-45-67.ap-south-1.compute.internal"


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A terminal of 80 columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    console = Console()
    console.file = StringIO()
    return console


def lines(console: Console) -> list[str]:
    assert isinstance(console.file, StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue()).splitlines()


@pytest.mark.parametrize("run_id", ["short", LONG])
def test_no_run_id_and_no_number_is_cut(run_id: str, console: Console) -> None:
    """A long id has a line of its own, and the cells beside it are whole in the next one."""
    row = {
        "run_id": run_id, "status": "ready-for-review", "recommendation": "promote", "reason": "",
        "windows": {"student": {"success": 12345, "skipped": 1234, "failed": 0}},
    }  # fmt: skip
    show_runs(console, [row])
    shown = lines(console)
    assert run_id in [line.split()[0] for line in shown]
    assert shown[-1].split()[-5:] == ["ready-for-review", "12345", "1234", "0", "promote"]
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize("name", ["cpu0@alpha", DEVICE])
def test_no_name_of_a_device_is_cut(name: str, console: Console) -> None:
    """Also that of a host in a cloud."""
    found = FleetReport({name: heartbeat(name)}, {}, set(), {}, {}, {}, [])
    _show_devices(console, found)
    assert any(name in line for line in lines(console))
    assert max(map(len, lines(console))) <= 80
