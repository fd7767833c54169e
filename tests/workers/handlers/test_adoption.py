"""`--reuse` of a judgement: equal inputs adopt it, whatever differs is judged anew, and damage is not adopted."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestrator.runs.compare import NOT_COMPARED
from schemas.config.judgement import GateSettings
from schemas.contract.errors import DataError
from schemas.contract.judgement import GateReport, Statistics, Validation
from schemas.contract.task import Role, RunTask
from schemas.contract.trials import ScoredTrial
from schemas.files.atomic import sha256_of, to_json
from schemas.files.layout import RunLayout, audit_folder
from schemas.files.run_files import read_manifest, read_model, read_rows, write_manifest, write_model, write_rows
from tests.workers.judging.runs import RUN, stored_run, tried
from workers.handlers import adoption
from workers.handlers.adoption import WHERE, gate_key, scores_key
from workers.handlers.audit import render_audit
from workers.handlers.judge import judge_gate, judge_students
from workers.handlers.task_result import Result

GATE = "economics"  # reads scores, bars and trials


def task(run_id: str, role: Role, gate: str | None = None) -> RunTask:
    """A task of a run."""
    return RunTask(run_id=run_id, telemetry=False, role=role, gate=gate)


def judge(data: Path, run_id: str) -> tuple[Result, Result]:
    """Score a run, judge one gate and write `statistics.json`, as its phases do."""
    scored = judge_students(task(run_id, Role.VALIDATION), data)
    audit_folder(data.parent / "release", run_id).mkdir(parents=True, exist_ok=True)
    judged = judge_gate(task(run_id, Role.STATISTICS, GATE), data)
    layout = RunLayout.under(data, run_id)
    report = read_model(layout.gate(GATE), GateReport)
    name = f"statistics/{GATE}.json"
    write_model(
        layout.statistics,
        Statistics(
            run_id=run_id, seed=1, settings=GateSettings(), trials=1, gates=(report.gate,), symbols={}, passing=(),
            inputs={name: sha256_of(layout.gate(GATE))},
        ),
    )  # fmt: skip
    return scored, judged


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a judged run and its charts."""
    data = tmp_path_factory.mktemp("adoption") / "data"
    layout = stored_run(data, signal=0.3, days=220, symbols=2, release_dir=str(data.parent / "release"))
    judge(data, RUN)
    plots = data.parent / "release" / f"audit_{RUN}" / "plots"
    plots.mkdir()
    for name in ("equity.json", "devices.json"):
        (plots / name).write_text(name)
    digests = {f"plots/{path.name}": sha256_of(path) for path in plots.iterdir()}
    outside = data.parent / "release" / "plots" / "outside.json"
    outside.parent.mkdir()
    outside.write_text("of no bundle")
    digests["../plots/outside.json"] = sha256_of(outside)
    (plots.parent / "manifest.json").write_text(to_json({"sha256": digests}))
    assert layout.statistics.is_file()
    return data


@pytest.fixture
def data(first: Path, tmp_path: Path) -> Path:
    """A copy of it, in which a second run has trained the same and is to be judged with `--reuse`."""
    shutil.copytree(first.parent, tmp_path, dirs_exist_ok=True)
    data = tmp_path / first.name
    again(data)
    return data


def again(data: Path, **config: Any) -> RunLayout:
    """Write the run `again`: what training leaves of the same request."""
    old, new = RunLayout.under(data, RUN), RunLayout.under(data, "again")
    shutil.copytree(old.folder / "windows", new.folder / "windows")
    manifest = read_manifest(old)
    values = {"reuse": True, "release_dir": str(data.parent / "release"), "data_dir": str(data)} | config
    write_manifest(
        new, manifest.model_copy(update={"run_id": "again", "config": manifest.config.model_copy(update=values)})
    )
    for role in (Role.TEACHER, Role.STUDENT):
        rows = [row.model_copy(update={"run_id": "again", "reused_from": RUN}) for row in read_rows(old, role)]
        write_rows(new, role, rows)
    until = read_model(old.validation, Validation).last
    tried(new, looks=1, judged_until=until)
    return new


def test_an_equal_judgement_is_adopted(data: Path) -> None:
    """Scores, gate and charts are the first run's, with this run's id and digests; no file outside its bundle is."""
    scored, judged = judge(data, "again")
    assert (scored.reused_from, judged.reused_from) == (RUN, RUN)
    old, new = (RunLayout.under(data, run_id) for run_id in (RUN, "again"))
    ours, theirs = (read_model(each.validation, Validation) for each in (new, old))
    assert ours == theirs.model_copy(update={"run_id": "again"})
    assert {name: sha256_of(new.folder / name) for name in ours.sha256} == ours.sha256
    mine, other = (read_model(each.gate(GATE), GateReport) for each in (new, old))
    assert (mine.gate.criteria, mine.draws) == (other.gate.criteria, other.draws)
    for name in (new.validation.name, new.trials.name):
        assert mine.gate.inputs[name] == sha256_of(new.folder / name)
    drawn = render_audit(task("again", Role.AUDIT), data)
    assert (list(drawn.digests), drawn.reused_from) == (["plots/equity.json"], RUN)
    copied = data.parent / "release" / "audit_again" / "plots"
    assert [path.read_text() for path in copied.iterdir()] == ["equity.json"]


def test_a_host_that_does_not_see_the_release_folder_judges_nothing(data: Path) -> None:
    """Only the data folder is shared with it: a gate would judge as if no release were live."""
    shutil.rmtree(data.parent / "release")
    judge_students(task("again", Role.VALIDATION), data)
    with pytest.raises(DataError, match="is not on this host, only the data folder is; mount the folder that"):
        judge_gate(task("again", Role.STATISTICS, GATE), data)
    with pytest.raises(DataError, match="is not on this host"):
        render_audit(task("again", Role.AUDIT), data)


def changed_setting(data: Path) -> None:
    """Another no-trade band."""
    shutil.rmtree(RunLayout.under(data, "again").folder)
    again(data, trade_band=0.2)


def changed_code(data: Path) -> None:
    """Code that judges was changed."""


def changed_student(data: Path) -> None:
    """One student is another one."""
    layout = RunLayout.under(data, "again")
    path = sorted((layout.folder / "windows").glob("S0_*/student/metadata.json"))[0]
    path.write_bytes(path.read_bytes() + b"\n")
    rows = [
        row.model_copy(update={"metadata_sha256": sha256_of(path)}) if row.window_label == path.parts[-3] else row
        for row in read_rows(layout, Role.STUDENT)
    ]
    write_rows(layout, Role.STUDENT, rows)


def no_reuse(data: Path) -> None:
    """The run was not asked to reuse anything."""
    shutil.rmtree(RunLayout.under(data, "again").folder)
    again(data, reuse=False)


def changed_scores(data: Path) -> None:
    """The first run's scores were edited after they were judged."""
    path = RunLayout.under(data, RUN).validation
    path.write_text(path.read_text().replace('"student": {', '"student":  {', 1))


def damaged_rows(data: Path) -> None:
    """The first run's pooled rows are damaged."""
    path = RunLayout.under(data, RUN).scored_rows
    path.write_bytes(path.read_bytes()[:-5])


def a_name_that_leads_out(data: Path) -> None:
    """The first run's scores name a file outside its folder, and its judgement was made to fit."""
    layout, outside = RunLayout.under(data, RUN), data / "outside.json"
    outside.write_text("{}")
    scores, statistics = read_model(layout.validation, Validation), read_model(layout.statistics, Statistics)
    named = scores.sha256 | {"../../outside.json": sha256_of(outside)}
    write_model(layout.validation, scores.model_copy(update={"sha256": named}))
    inputs = {layout.validation.name: sha256_of(layout.validation)}
    gates = [gate.model_copy(update={"inputs": gate.inputs | inputs}) for gate in statistics.gates]
    write_model(layout.statistics, statistics.model_copy(update={"gates": tuple(gates)}))


@pytest.mark.parametrize(
    "change",
    [
        changed_setting, changed_code, changed_student, no_reuse, changed_scores, damaged_rows, a_name_that_leads_out,
    ],
)  # fmt: skip
def test_whatever_differs_is_judged_anew(
    data: Path, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another setting, other code or another student has another key; edited or damaged files are not adopted."""
    change(data)
    if change is changed_code:
        monkeypatch.setattr(adoption, "_code", lambda: {"judging": "other"})
    assert judge_students(task("again", Role.VALIDATION), data).reused_from is None


def test_a_gate_depends_on_trials_and_on_what_is_live(data: Path) -> None:
    """Another configuration, days after an earlier judgement, held-out days or a deployment: the gate's key differs."""
    judge(data, "again")
    layout = RunLayout.under(data, "again")
    manifest, validation = read_manifest(layout), read_model(layout.validation, Validation)

    def key() -> str:
        return gate_key(layout, manifest, GATE, validation)

    keys = [key()]
    assert keys == [read_model(RunLayout.under(data, RUN).gate(GATE), GateReport).key]
    rival = ScoredTrial(run_id="other", sharpes={"student": 1.0}, periods_per_year=252, returns_sha256=None)
    for counted in (
        {"configurations": 2, "others": (rival,)},
        {"judged_until": date(2000, 1, 1)},
        {"opened_from": date(2020, 1, 1)},
    ):
        tried(layout, **counted)
        keys.append(key())
    live = Path(manifest.config.release_dir) / "production" / "current" / "release.json"
    live.parent.mkdir(parents=True)
    live.write_text(json.dumps({"release_id": "r", "run_id": "other", "students": {}, "features": []}))
    keys.append(key())
    assert len(set(keys)) == 5
    assert scores_key(layout, manifest) == validation.key


def test_what_no_comparison_of_runs_shows_decides_no_score() -> None:
    """A setting of where a run works, such as a broker with a login, must keep no judgement from being used again.

    Plug-ins and members are compared by digests of their own.
    """
    assert {"plugged", "members", "own_gates"} == NOT_COMPARED - WHERE
