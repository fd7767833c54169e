"""Two judged runs beside each other."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.runs.compare import NOT_COMPARED, NOT_JUDGED, changed, compare, other_rows, plain, settings_of
from schemas.config.features import Plugged, Plugin
from schemas.config.judgement import GateSettings, OwnGate
from schemas.config.run import RunConfig
from schemas.config.side import SideChoice, SideFile
from schemas.contract.judgement import Criterion, Gate, Part, Ruling, Statistics
from schemas.files.run_files import write_model
from tests.workers.judging.runs import stored_run
from workers.judging.validation import validate

DATES: dict[str, Any] = {"start_date": date(2024, 1, 1), "end_date": date(2024, 6, 1)}
FLOW = SideFile(name="flow", sha256="a" * 64, columns=("net",), by_symbol=False, lag_s=None, max_age_s=None)
PLUGGED = Plugged(
    timezone="UTC", plugins=(Plugin(name="mine", sha256="b" * 64),),
    side=SideChoice(calendar="XNSE", interval="1day", files=(FLOW,)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("teacher", "lightgbm", ["lightgbm", "xgboost"]),
        ("universe", "u.csv", ["u.csv", None]),
        ("side", ("flow=f.csv",), [["flow=f.csv"], []]),
        ("study", "autumn", ["autumn", None]),
        ("keep_jumps", True, [True, False]),
        ("set", ("teacher.max_depth=4",), [["teacher.max_depth=4"], []]),
    ],
)
def test_a_setting_that_files_leave_out_is_compared(name: str, value: Any, shown: list[Any]) -> None:
    """Its default is not in a run's file: either run may be the one that sets it."""
    usual = RunConfig(**DATES)
    other = usual.model_copy(update={name: value})
    assert changed(settings_of(other), settings_of(usual)) == {name: shown}
    assert changed(settings_of(usual), settings_of(other)) == {name: shown[::-1]}


def test_the_content_of_files_is_compared() -> None:
    """Plug-ins, side data and the universe by digest: two runs may name the same path."""
    usual = RunConfig(**DATES)
    gate = OwnGate(name="little", question="Is it?", decides=False, plugin="judges", sha256="c" * 64)
    filled = usual.model_copy(update={"plugged": PLUGGED, "own_gates": (gate,), "members": "d" * 64})
    assert changed(settings_of(filled), settings_of(usual)) == {
        "plugin_sha256": [{"mine": "b" * 12, "judges": "c" * 12}, {}],
        "side_sha256": [{"flow": "a" * 12}, {}],
        "universe_sha256": ["d" * 12, None],
    }
    assert settings_of(usual).keys() >= set(RunConfig.model_fields) - NOT_COMPARED


def test_settings_are_texts_that_people_read() -> None:
    """No brackets of JSON."""
    assert [plain(each) for each in ({"mine": "b1", "judges": "c2"}, {}, ["a", "b"], [], None, 0.5)] == [
        "mine b1, judges c2", "none", "a, b", "none", "none", "0.5"
    ]  # fmt: skip


def test_other_rows_are_described_by_what_differs() -> None:
    """Rows of the same days and number can have other labels; the same rows need no sentence."""
    span = ["2024-01-01", "2024-06-01"]
    found: dict[str, Any] = {"same_rows": False, "rows": [1200, 1200], "span": [span, span]}
    assert other_rows(found).startswith("Both runs scored 1,200 rows from 2024-01-01 to 2024-06-01, but their labels")
    assert "1,200 rows from 2024-01-01 to 2024-06-01 and 90 rows" in other_rows(found | {"rows": [1200, 90]})
    assert other_rows(found | {"same_rows": True}) == ""


def test_how_a_run_was_carried_out_is_not_compared() -> None:
    """A run that uses windows again, or another fleet, has the same result."""
    usual = RunConfig(**DATES)
    fleet: dict[str, Any] = {"broker": "redis://fleet:6379/0", "local_workers": False, "priority": 2.0}
    assert changed(settings_of(RunConfig(**DATES, **fleet, reuse=True)), settings_of(usual)) == {}


def test_a_gate_of_one_run_alone_is_shown(tmp_path: Path) -> None:
    """One run has a gate of a plug-in, the other does not."""
    for run_id, gates in (("a", ("data", "little")), ("b", ("data",))):
        layout = stored_run(tmp_path, run_id=run_id, symbols=1, days=250)
        write_model(layout.validation, validate(layout))
        test = Criterion(name="n", part=Part.WARNING, ruling=Ruling.PASS, reason="so")
        found = tuple(Gate(name=name, question="?", criteria=(test,), inputs={}) for name in gates)
        write_model(
            layout.statistics,
            Statistics(
                run_id=run_id, seed=1, settings=GateSettings(), trials=1, gates=found, symbols={}, passing=(), inputs={}
            ),
        )
    for first, second in (("a", "b"), ("b", "a")):
        answers = compare(str(tmp_path), first, second)["gates"]
        assert answers["data"] == ["passed", "passed"]
        assert sorted(answers["little"]) == [NOT_JUDGED, "passed"]
