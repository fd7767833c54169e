"""A run with a feature, a label and a model of the user's, from their file to a prediction."""

import json
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from schemas.contract.artifact import StudentMetadata
from schemas.contract.judgement import Statistics, Validation
from schemas.contract.task import Role
from schemas.files.layout import METADATA, PREDICTIONS, RunLayout
from schemas.files.run_files import read_model, read_rows
from tests.conftest import SPAN, finished_run, orchestrator
from tests.workers.models.centres import CENTRES

IDEAS = (
    CENTRES
    + """

@gk.feature(warmup=60, side="flows")
def gap_to_high(bars, side):
    return (bars["close"] / bars["high"].rolling(60).max() - 1) * side["flows"]["net"]


@gk.gate("Are there rows?")
def rows(evidence):
    return gk.criterion("scored rows", len(evidence.predictions), "they are so", at_least=1)


@gk.label(horizon=10, side="index")
def first_move(bars, side):
    moved = bars["close"].pct_change(fill_method=None) - side["index"]["change"]
    up = moved.shift(-1) > 0
    return up, up.map({True: 1, False: 10})
"""
)
DAYS = [date(2022, 1, 3) + timedelta(days=n) for n in range(1100)]
FLOWS = "time,net\n" + "".join(f"{day},{1 + day.day / 31:.4f}\n" for day in DAYS)
INDEX = "time,known_at,change\n" + "".join(f"{day},{day} 15:30,{(day.day - 15.5) / 9e3:.6f}\n" for day in DAYS)


def test_from_a_file_to_a_prediction(bars: Path, tmp_path: Path) -> None:
    """Real processes all the way: run, deploy, predict and replay; then the file changes, and all of them refuse it.

    Feature and label read side data, which are in the key of what was trained. Predictions need the feature's, with
    values that are not stale, and none of the label's.
    """
    ideas, flows, index = tmp_path / "ideas.py", tmp_path / "flows.csv", tmp_path / "index.csv"
    ideas.write_text(IDEAS)
    flows.write_text(FLOWS)
    index.write_text(INDEX)
    source = ("--source", f"csv:{bars}", "--symbols", "BAJAJ-AUTO", *SPAN)
    finished_run(
        tmp_path, *source, "--devices", "cpu:1x1", "--run-id", "a", "--plugins", "ideas.py", "--features",
        "minimal,gap_to_high", "--side", "flows=flows.csv", "--side-lag", "flows=1h", "--side-max-age", "flows=9d",
        "--side", "index=index.csv", "--label", "first_move", "--student", "Centres", "--set", "student.temper=4",
    )  # fmt: skip
    layout = RunLayout.under(tmp_path / "data", "a")
    label = next(row.window_label for row in read_rows(layout, Role.STUDENT) if row.key)
    metadata = read_model(layout.artifact(label, Role.STUDENT) / METADATA, StudentMetadata)
    assert metadata.features[-1] == "gap_to_high" and metadata.settings.plugged is not None
    read = metadata.settings.plugged.side, metadata.settings.plugged.label_side
    for name, choice in zip(("flows", "index"), read, strict=True):
        (stored,) = (tmp_path / "data" / "side" / name).iterdir()
        assert choice is not None and [each.sha256 for each in choice.files] == [stored.stem]
    assert (metadata.settings.label, metadata.settings.horizon_bars) == ("first_move", 10)
    scored = pq.read_table(layout.artifact(label, Role.STUDENT) / PREDICTIONS).to_pandas()
    held = (scored["label_end"] - scored["timestamp"]).dt.days
    assert held[scored["label"] == 1].max() < 5 < held[scored["label"] == 0].min()
    assert (layout.artifact(label, Role.STUDENT) / "model.Centres.plugin").is_file()

    # Its gate has judged the run, after the built-in ones.
    judged = read_model(layout.statistics, Statistics).gates[-1]
    rows = read_model(layout.validation, Validation).rows
    assert (judged.name, judged.answer, judged.criteria[0].statistic) == ("rows", "passed", rows)

    def done(*arguments: str) -> str:
        result = orchestrator(*arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    index.unlink()
    done("approve", "a", "--by", "me", "--override", "a demonstration on random walks")
    done("deploy", "a", "--to", "staging", "--by", "me")
    found = json.loads(done("predict", "--env", "staging", "--max-age-days", "99999", "--json"))
    assert [each["symbol"] for each in found["predictions"]] == ["BAJAJ-AUTO"]
    flows.write_text(FLOWS.replace(f"{DAYS[-1]},", "2021-01-01,"))  # other content does not change the run's own
    done("replay", "a", label)
    assert "a label is 1 where first_move of ideas.py is 1" in done("explain", "a", label)
    flows.write_text("".join(FLOWS.splitlines(keepends=True)[:800]))
    stale = orchestrator("predict", "--env", "staging", "--max-age-days", "99999", cwd=tmp_path)
    assert stale.returncode == 3 and "stale: the newest value of side data flows" in stale.stdout
    ideas.write_text(IDEAS.replace("60", "61"))
    refused = orchestrator("predict", "--env", "staging", cwd=tmp_path)
    assert refused.returncode == 2 and "was made with another ideas.py" in refused.stderr
    refused = orchestrator("resume", "a", cwd=tmp_path)
    assert refused.returncode == 2 and "ideas.py has changed since run a began" in refused.stderr
