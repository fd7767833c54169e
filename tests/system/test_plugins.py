"""A run with a feature of the user's, from its file to a prediction."""

import json
from pathlib import Path

from schemas.contract.artifact import StudentMetadata
from schemas.contract.task import Role
from schemas.files.layout import METADATA, RunLayout
from schemas.files.run_files import read_model, read_rows
from tests.conftest import SPAN, finished_run, orchestrator

IDEAS = """
import gurukul as gk


@gk.feature(warmup=60)
def gap_to_high(bars):
    return bars["close"] / bars["high"].rolling(60).max() - 1
"""


def test_from_a_file_to_a_prediction(bars: Path, tmp_path: Path) -> None:
    """Real processes all the way: run, deploy, predict and replay; then the file changes, and all of them refuse it."""
    ideas = tmp_path / "ideas.py"
    ideas.write_text(IDEAS)
    source = ("--source", f"csv:{bars}", "--symbols", "BAJAJ-AUTO", *SPAN)
    finished_run(
        tmp_path, *source, "--devices", "cpu:1x1", "--run-id", "a", "--plugins", "ideas.py", "--features",
        "minimal,gap_to_high",
    )  # fmt: skip
    layout = RunLayout.under(tmp_path / "data", "a")
    label = next(row.window_label for row in read_rows(layout, Role.STUDENT) if row.key)
    metadata = read_model(layout.artifact(label, Role.STUDENT) / METADATA, StudentMetadata)
    assert metadata.features[-1] == "gap_to_high" and metadata.settings.plugged is not None

    def done(*arguments: str) -> str:
        result = orchestrator(*arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    done("approve", "a", "--by", "me", "--override", "a demonstration on random walks")
    done("deploy", "a", "--to", "staging", "--by", "me")
    found = json.loads(done("predict", "--env", "staging", "--max-age-days", "99999", "--json"))
    assert [each["symbol"] for each in found["predictions"]] == ["BAJAJ-AUTO"]
    done("replay", "a", label)
    ideas.write_text(IDEAS.replace("60", "61"))
    refused = orchestrator("predict", "--env", "staging", cwd=tmp_path)
    assert refused.returncode == 2 and "was made with another ideas.py" in refused.stderr
    refused = orchestrator("resume", "a", cwd=tmp_path)
    assert refused.returncode == 2 and "ideas.py has changed since run a began" in refused.stderr
