"""The whole run on generated bars: every artifact exists, can be loaded and traced, and is the same on any fleet."""

import gzip
import io
import json
import re
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import date
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from redis import Redis

from orchestrator.audit.conclusion import conclude
from orchestrator.audit.templates import page
from orchestrator.ledger.ledger import Ledger
from orchestrator.phases import briefing
from schemas.contract.artifact import RunRow, StudentMetadata, TeacherMetadata
from schemas.contract.conclusion import Conclusion
from schemas.contract.judgement import Fall, Statistics, Validation
from schemas.contract.quality import Check, Finding, Verdict
from schemas.contract.task import Role, Status
from schemas.contract.trials import TrialCount
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, read_model, read_rows
from tests.conftest import SPAN, Finished, SharedFleet, command, finished_run, orchestrator, tree, write_bars
from tests.json_log import read_lines

TEACHER_FILES = {"model.ubj", "labels.csv.gz", "metadata.json", "feature_importance.csv", "certificate.json"}
ROLES = (Role.TEACHER, Role.STUDENT)
STUDENT_FILES = {"model.json", "serving.json", "metadata.json", "predictions.parquet"}


def trained(run: Finished, role: Role) -> list[RunRow]:
    return [row for row in read_rows(RunLayout(run.folder), role) if row.status is Status.SUCCESS]


def test_every_window_has_a_row_and_every_trained_one_its_files(two_device_run: Finished) -> None:
    """Rows cover the plan; a trained window has exactly the files of the layout, a skipped one no folder."""
    layout = RunLayout(two_device_run.folder)
    for role, files in ((Role.TEACHER, TEACHER_FILES), (Role.STUDENT, STUDENT_FILES)):
        rows = read_rows(layout, role)
        assert len(rows) == two_device_run.summary["windows"][role]["planned"] == 15
        for row in rows:
            folder = layout.artifact(row.window_label, role)
            if row.status is Status.SUCCESS:
                taught = role is Role.STUDENT and bool(row.metrics["teacher_shrinkage"])
                assert {path.name for path in folder.iterdir()} == files | ({"teacher.ubj"} if taught else set())
                assert row.metadata_sha256 == sha256_of(folder / "metadata.json")
            else:
                assert row.reason is not None
                assert not folder.exists()
    assert len(trained(two_device_run, Role.STUDENT)) >= 9


def test_metadata_holds_the_digest_of_each_sibling(two_device_run: Finished) -> None:
    """`metadata.json` names the SHA-256 of every other file in its folder, and no time, host or device."""
    layout = RunLayout(two_device_run.folder)
    kinds: dict[Role, type[TeacherMetadata] | type[StudentMetadata]] = {
        Role.TEACHER: TeacherMetadata,
        Role.STUDENT: StudentMetadata,
    }
    for role, kind in kinds.items():
        for row in trained(two_device_run, role):
            folder = layout.artifact(row.window_label, role)
            text = (folder / "metadata.json").read_text()
            metadata = kind.model_validate_json(text)
            assert metadata.sha256 == {p.name: sha256_of(p) for p in folder.iterdir() if p.name != "metadata.json"}
            assert "generated" not in text, "the run's name is a circumstance"


def test_stored_probabilities_come_out_of_the_stored_model_in_a_fresh_process(two_device_run: Finished) -> None:
    """A new process that has only the files recomputes every student's and teacher's probability exactly."""
    script = Path(__file__).with_name("recompute.py")
    result = subprocess.run(
        [sys.executable, str(script), str(two_device_run.cwd / "data"), "generated"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) == len(trained(two_device_run, Role.STUDENT))


def test_teacher_labels_mark_purged_rows_and_end_within_the_window(two_device_run: Finished) -> None:
    """In `labels.csv.gz` fit, purged and tail follow each other in time; no label ends at or after the window's end."""
    layout = RunLayout(two_device_run.folder)
    for row in trained(two_device_run, Role.TEACHER):
        content = gzip.decompress((layout.artifact(row.window_label, Role.TEACHER) / "labels.csv.gz").read_bytes())
        table = arrow_csv.read_csv(io.BytesIO(content))
        parts = table["part"].to_pylist()
        assert parts == sorted(parts, key=["fit", "purged", "tail"].index)
        first_tail = parts.index("tail")
        starts, ends = table["timestamp"].to_pylist(), table["label_end"].to_pylist()
        assert all(end < starts[first_tail] for end, part in zip(ends, parts, strict=True) if part == "fit")
        assert max(ends).date() < row.end


def test_scored_blocks_of_a_symbol_do_not_overlap(two_device_run: Finished) -> None:
    """Out-of-sample predictions of a symbol have each decision once, after the window of their student."""
    layout = RunLayout(two_device_run.folder)
    seen: set[tuple[str, object]] = set()
    for row in trained(two_device_run, Role.STUDENT):
        table = pq.read_table(layout.artifact(row.window_label, Role.STUDENT) / "predictions.parquet")
        for session in table["session"].to_pylist():
            assert session >= row.end
            assert (row.symbol, session) not in seen
            seen.add((row.symbol, session))


def test_the_audit_traces_each_number_to_files_that_are_there(two_device_run: Finished) -> None:
    """The bundle has its parts, its manifest the digest of each, and the verdict the digests of the predictions."""
    audit = two_device_run.audit
    names = set(tree(audit))
    assert {"metrics.json", "summary.md", "promotion_briefing.md", "report.html", "manifest.json"} <= names
    assert len([name for name in names if name.startswith("plots/")]) >= 3
    manifest = json.loads((audit / "manifest.json").read_text())["sha256"]
    assert manifest == {name: sha256_of(audit / name) for name in names - {"manifest.json"}}
    results = audit / "validation_results"
    validation = Validation.model_validate_json((results / "validation.json").read_text())
    statistics = Statistics.model_validate_json((results / "statistics.json").read_text())
    inputs = validation.inputs | validation.sha256 | statistics.inputs
    inputs |= {name: digest for gate in statistics.gates for name, digest in gate.inputs.items()}
    data = two_device_run.cwd / "data"
    for name, digest in inputs.items():
        outside = name.startswith("data/")
        assert digest == sha256_of(data.parent / name if outside else two_device_run.folder / name), name
    metrics = json.loads((audit / "metrics.json").read_text())
    assert metrics["recommendation"] == two_device_run.summary["recommendation"]


def test_a_run_enters_its_trial_and_a_fresh_ledger_is_said(two_device_run: Finished) -> None:
    """The data folder has a copy of its lines, the count is beside the run, and the report names a new ledger."""
    lines = (two_device_run.cwd / "data" / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["trial"]["kind"] for line in lines] == ["trained", "scored", "judged"]
    counted = read_model(RunLayout(two_device_run.folder).trials, TrialCount)
    assert (counted.trials, counted.looks) == (1, 0)
    (note,) = counted.notes
    for name in ("report.html", "promotion_briefing.md"):
        assert note in (two_device_run.audit / name).read_text()


def test_random_walks_are_not_promoted(two_device_run: Finished) -> None:
    """On bars without a signal the recommendation is not `promote`."""
    assert two_device_run.summary["recommendation"] in ("reject", "hold")
    assert two_device_run.summary["status"] == "ready-for-review"


def test_nothing_temporary_is_left(two_device_run: Finished) -> None:
    """After a run there is no temporary file, and the ledger has no write-ahead log."""
    names = [path.name for path in two_device_run.cwd.rglob("*")]
    assert not [name for name in names if name.startswith(".tmp-") or name.endswith(("-wal", "-shm"))]


def drawn(audit: Path) -> dict[str, bytes]:
    """Plots except those that show times and devices."""
    plots = tree(audit / "plots")
    return {name: content for name, content in plots.items() if not name.startswith(("phases.", "devices."))}


def verdict(path: Path) -> Any:
    """A file of validation or statistics without the run's name, and without digests of files that hold it."""
    found = json.loads(path.read_text())
    for each in (found, *found.get("gates", ())):
        each.pop("run_id", None)
        each.pop("inputs", None)
    return found


def test_two_slots_and_two_devices_give_the_same_bytes(
    two_device_run: Finished, bars: Path, fleet: SharedFleet, tmp_path: Path
) -> None:
    """Artifacts and verdicts are a function of bars, config and code: not of the number of devices and slots.

    Orchestrator and workers have the rights of their roles alone, and need no others.

    One slot: the interrupted runs of test_interruption.py.
    """
    flags = ("--broker", fleet.orchestrator, "--no-local-workers")
    one = finished_run(tmp_path, "--source", f"csv:{bars}", *SPAN, *flags, "--run-id", "two-slots")
    with Redis.from_url(fleet[1]) as redis:
        assert redis.execute_command("ACL", "LOG") == []
    assert tree(one.folder / "windows") == tree(two_device_run.folder / "windows")
    assert drawn(one.audit) == drawn(two_device_run.audit)
    for name in ("validation.json", "statistics.json"):
        assert verdict(one.folder / name) == verdict(two_device_run.folder / name)
    stored, others = tree(one.cwd / "data" / "bars"), tree(two_device_run.cwd / "data" / "bars")
    # The time at which they were read is stored beside them.
    tables = [json.loads(each.pop("1day/coverage.json")) for each in (stored, others)]
    for row in (row for table in tables for row in table["symbols"].values()):
        assert row.pop("fetched")
    assert (stored, tables[0]) == (others, tables[1])


def test_both_devices_worked(two_device_run: Finished) -> None:
    """With two devices and three symbols each device trains something."""
    devices = {row.device for row in trained(two_device_run, Role.TEACHER)}
    assert len(devices) == 2


def test_a_run_in_which_nothing_can_be_trained_fails(bars: Path, fleet: tuple[str, ...], tmp_path: Path) -> None:
    """A phase without results fails: exit code 3, the reasons, no verdict, and no advice to resume.

    Labels in units of volatility are decided by the worker; a return that no bar reaches is known before training.
    """
    sigma = ("--threshold", "9", "--threshold-unit", "sigma")
    result = command("run", "--json", "--source", f"csv:{bars}", *SPAN, *sigma, *fleet, cwd=tmp_path)
    assert result.returncode == 3, result.stderr
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["status"] == "failed"
    assert summary["recommendation"] is None
    assert summary["skip_reasons"]["single_class"] > 0
    assert "no teacher was trained" in result.stderr
    assert "resume" not in result.stderr
    assert not (tmp_path / "release").exists()
    unreachable = ("--skip-fetch", "--threshold", "9", "--json", "--run-id", "unreachable")
    result = command("run", *SPAN, *unreachable, *fleet, cwd=tmp_path)
    assert result.returncode == 2 and not (tmp_path / "data" / "models" / "unreachable").exists()
    assert "labels nearly all the same (15)" in result.stderr and "lower --threshold" in result.stderr


def test_a_plan_without_any_trainable_window_fails(fleet: tuple[str, ...], tmp_path: Path) -> None:
    """If stored bars rule every window out, `run` reports it and trains nothing; `plan` shows the same."""
    folder = write_bars(tmp_path / "bars", ("NEW",), first=date(2024, 1, 1), last=date(2024, 4, 30))
    arguments = ("--source", f"csv:{folder}", "--start-date", "2024-01-01", "--end-date", "2024-04-01")
    result = command("run", *arguments, *fleet, cwd=tmp_path)
    assert result.returncode == 3, result.stderr
    assert "failed: none of the 1 windows can be trained: too few earlier bars (1)" in result.stdout
    assert "to continue:" not in result.stdout
    result = command("run", *arguments, "--skip-fetch", *fleet, cwd=tmp_path)
    assert result.returncode == 2
    assert "too few earlier bars (1)" in result.stderr
    planned = command("plan", *arguments, "--power", cwd=tmp_path).stdout
    assert "too few earlier bars: NEW 1" in planned
    assert "power: years for 80 % power at 5 %" in planned and "these settings show nothing" in planned


def test_resume_trains_again_what_was_lost_or_damaged_and_on_its_own_bars(
    two_device_run: Finished, tmp_path: Path
) -> None:
    """`resume` of a finished run trains exactly the windows whose artifacts are gone or changed, and only those.

    It stores its own bars again if another ingestion has replaced them, and logs in the run's format, workers included.
    """
    cwd = shutil.copytree(two_device_run.cwd, tmp_path / "copy")
    log = cwd / "logs" / "generated.log"
    logged = len(log.read_bytes())
    (cwd / "data" / "bars" / "1day" / "M&M.parquet").write_bytes(b"of another run")
    layout = RunLayout.under(cwd / "data", "generated")
    students = sorted((layout.folder / "windows").glob("*/student"))
    gone = next(path for path in students if path.parent.name.startswith("M&M"))
    other, broken = [path for path in students if path != gone][:2]
    shutil.rmtree(gone.with_name("teacher"))
    (broken / "metadata.json").unlink()
    (other.with_name("teacher") / "metadata.json").write_text("{}")
    manifest = json.loads((layout.folder / "run.json").read_text())
    manifest["config"] |= {"log_format": "json", "devices": "cpu:1x1"}
    (layout.folder / "run.json").write_text(json.dumps(manifest))
    result = orchestrator("resume", "generated", cwd=cwd)
    assert result.returncode == 0, result.stderr + result.stdout
    assert tree(layout.folder / "windows") == tree(two_device_run.folder / "windows")
    with closing(Ledger(layout.ledger)) as ledger:
        again = {(role, r.name) for role in ROLES for r in ledger.records(role) if r.attempt > 1}
    assert (Role.TEACHER, gone.parent.name) in again
    lines = read_lines(log.read_bytes()[logged:].decode())
    assert {"teacher", "student"} <= {line["role"] for line in lines if line["logger"] == "workers.handlers.execute"}
    assert again - {(Role.STUDENT, gone.parent.name)} == {
        (Role.TEACHER, gone.parent.name),
        (Role.TEACHER, other.parent.name),
        (Role.STUDENT, broken.parent.name),
    }


@pytest.mark.parametrize("words", [["status", "generated"], ["runs"]])
def test_reading_commands_show_the_run_and_change_nothing(two_device_run: Finished, words: list[str]) -> None:
    """`status` and `runs` show a finished run's counts and verdict, and change nothing."""
    before = tree(two_device_run.folder)
    result = command(*words, cwd=two_device_run.cwd)
    assert result.returncode == 0, result.stderr
    assert "generated" in result.stdout
    assert two_device_run.summary["recommendation"] in result.stdout
    assert tree(two_device_run.folder) == before


def test_compare(two_device_run: Finished) -> None:
    """A run compared with itself has no difference; an unknown run is one line with exit code 2."""
    same = command("compare", "generated", "generated", "--json", cwd=two_device_run.cwd)
    found = json.loads(same.stdout)
    assert (found["settings"], found["same_rows"]) == ({}, True)
    assert all(first == second for first, second in found["numbers"].values())
    shown = command("compare", "generated", "generated", cwd=two_device_run.cwd).stdout
    assert "the settings are the same" in shown and "log loss, student" in shown
    gone = command("compare", "generated", "nowhere", cwd=two_device_run.cwd)
    assert (gone.returncode, gone.stderr.count("\n")) == (2, 1)
    assert "orchestrator runs" in gone.stderr


def test_every_report_of_a_run_has_the_same_conclusion(two_device_run: Finished) -> None:
    """Report, briefing, summary, metrics, `--json` and the last screen have one verdict, sentence and figures."""
    audit, summarised = two_device_run.audit, two_device_run.summary["conclusion"]
    found = Conclusion.model_validate(summarised)
    assert json.loads((audit / "metrics.json").read_text())["conclusion"] == summarised
    texts = {name: (audit / name).read_text() for name in ("report.html", "promotion_briefing.md", "summary.md")}
    page = unescape(re.sub(r"<[^>]+>", "", texts["report.html"].partition("<script>")[0]))
    texts["report.html"] = page.replace("\N{NO-BREAK SPACE}", " ")
    texts["status"] = command("status", "generated", cwd=two_device_run.cwd).stdout
    words = [
        found.recommendation.value, found.sentence, found.advice, found.span, *found.changes, *found.next_steps,
        *found.alerts, *found.basis,
        *(word for each in found.earned for word in each.model_dump().values()),
        *(word for each in found.sureness for word in (each.name, each.text, each.interval, each.meaning)),
    ]  # fmt: skip
    for name, text in texts.items():
        assert not [word for word in words if word not in text], name
    for name in texts.keys() - {"status"}:
        assert not [word for word in found.warnings if word not in texts[name]], name


def test_a_run_without_named_symbols_advises_none(two_device_run: Finished) -> None:
    """`run.json` has every symbol of the source and that none was named; the command of the verdict lists none."""
    config = json.loads((two_device_run.folder / "run.json").read_text())["config"]
    assert config["symbols"] and config["every_symbol"]
    assert "--symbols" not in Conclusion.model_validate(two_device_run.summary["conclusion"]).next_steps[-1]


def test_the_report_stands_alone(two_device_run: Finished) -> None:
    """One file, nothing fetched from elsewhere; every link beside a number leads to a file of the bundle."""
    text = (two_device_run.audit / "report.html").read_text()
    page = re.sub(r"<script>.*?</script>", "", text, flags=re.S)
    assert not re.search(r'(src|href)="(https?:)?//', page)
    links = re.findall(r'href="([^#"]+)"', page)
    assert len(links) > 20
    for link in links:
        assert (two_device_run.audit / link).is_file(), link
    verdict = two_device_run.summary["recommendation"]
    assert page.index(f'<p class="word">{verdict}</p>') < page.index("<h2")


def test_the_report_and_the_briefing_name_bars_whose_days_are_in_doubt(two_device_run: Finished) -> None:
    """A warning of the calendar has a section of its own in the report, which a run without one lacks.

    A fall of the students' book, which did not trade in this run, is in a table with its dates.
    """
    layout = RunLayout(two_device_run.folder)
    manifest, results = read_manifest(layout), two_device_run.audit / "validation_results"
    assert manifest.bars is not None
    # Generated bars have sessions on holidays of the exchange, which is a warning of the calendar, too.
    sound = {symbol: row.model_copy(update={"findings": ()}) for symbol, row in manifest.bars.symbols.items()}
    plain = manifest.model_copy(update={"bars": manifest.bars.model_copy(update={"symbols": sound})})
    phantom = Finding(check=Check.PHANTOM_BAR, verdict=Verdict.WARN, count=1, where="2024-01-09", detail="no trades")
    doubted = manifest.model_copy(update={"bars": manifest.bars.model_copy(update={"notes": (phantom,)})})
    fall = Fall(first=date(2024, 1, 9), lowest=date(2024, 1, 12), recovered=None, percent=12.345, days=1234)
    judged = briefing.Judged(
        read_model(results / "validation.json", Validation).model_copy(update={"falls": (fall,)}),
        read_model(results / "statistics.json", Statistics),
        read_model(results / "trials.json", TrialCount),
    )  # fmt: skip
    conclusion = conclude(manifest, judged.statistics, judged.validation, judged.trials)
    pages = {}
    for name, each in (("plain", plain), ("doubted", doubted)):
        with closing(Ledger(layout.ledger, read_only=True)) as ledger:
            context: Any = SimpleNamespace(manifest=each, ledger=ledger)
            facts = briefing._facts(context, judged, conclusion, {"earned": {"title": "Net return"}})
        facts |= {"vega": "", "specifications": ""}
        pages[name] = [page(template, facts) for template in ("report.html", "promotion_briefing.md")]
    assert all("bars: most symbols: phantom bar: 2024-01-09: no trades" in text for text in pages["doubted"])
    row = '<th scope="row">2024-01-09</th><td>2024-01-12</td><td>not yet</td><td>12.3 %</td><td>1,234</td>'
    assert row in pages["plain"][0].replace("\N{NO-BREAK SPACE}", " ")
    assert ">Data</h2>" in pages["doubted"][0] and ">Data</h2>" not in pages["plain"][0]
