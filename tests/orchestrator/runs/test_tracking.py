"""Runs on an MLflow server."""

import io
import json
import os
from pathlib import Path

import pytest

from orchestrator.runs.tracking import track_finished
from orchestrator.terminal.console import Console
from schemas.contract.tracking_address import tracking_uri
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest
from tests.conftest import Finished, command
from tests.doubles.mlflow_server import mlflow_server


def test_a_judged_run_is_stored_with_settings_scores_verdict_and_files(
    two_device_run: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second time the same run is written again; a server that refuses ends nothing, and the next step is named."""
    layout = RunLayout(two_device_run.folder)
    words = ("mlflow", layout.folder.name)
    with mlflow_server() as server:
        first = command(*words, server.url, "--json", cwd=two_device_run.cwd)
        again = command(*words, server.url, cwd=two_device_run.cwd)
        assert json.loads(first.stdout)["url"].startswith(f"{server.url}/#/experiments/1/runs/"), first.stderr
        assert again.stdout.startswith("written again: ") and again.returncode == 0
        (run,) = server.runs
        assert server.experiments == ["gurukul"] and run["info"]["status"] == "FINISHED"
        assert run["tags"]["gurukul.recommendation"] == two_device_run.summary["recommendation"]
        assert run["params"]["horizon"] == str(read_manifest(layout).config.horizon)
        scores = json.loads(layout.validation.read_text())["scores"]
        assert run["metrics"]["student.log_loss"] == scores["student"]["log_loss"]
        assert run["metrics"]["gate.leak.passed"] == 1.0
        stored = {name.partition("/artifacts/")[2]: content for name, content in server.files.items()}
        assert stored["audit/report.html"] == (two_device_run.audit / "report.html").read_bytes()
        assert stored["run/validation/rows.parquet"] == layout.scored_rows.read_bytes()
        server.refuses = True
        console = Console()
        console.file = io.StringIO()
        config = read_manifest(layout).config.model_copy(update={"mlflow": server.url})
        assert track_finished(0, layout, config, console) == 0
        assert "no writer of this experiment; the run is complete, `orchestrator mlflow" in console.file.getvalue()


@pytest.mark.skipif("MLFLOW_TEST_SERVER" not in os.environ, reason="MLFLOW_TEST_SERVER names a server of MLflow")
def test_a_real_server_holds_what_was_stored(two_device_run: Finished, tmp_path: Path) -> None:
    """Params, metrics and files that the client reads back are those of the run."""
    from mlflow.tracking import MlflowClient

    url = os.environ["MLFLOW_TEST_SERVER"]
    layout = RunLayout(two_device_run.folder)
    for _ in range(2):
        result = command("mlflow", layout.folder.name, url, "--json", cwd=two_device_run.cwd)
        assert result.returncode == 0, result.stderr
    client, name = MlflowClient(url), json.loads(result.stdout)["url"].rpartition("/")[2]
    run = client.get_run(name)
    assert run.info.status == "FINISHED" and run.info.run_name == layout.folder.name
    scores = json.loads(layout.validation.read_text())["scores"]
    assert run.data.metrics["student.log_loss"] == scores["student"]["log_loss"]
    assert run.data.tags["gurukul.recommendation"] == two_device_run.summary["recommendation"]
    report = client.download_artifacts(name, "audit/report.html", str(tmp_path))
    assert Path(report).read_bytes() == (two_device_run.audit / "report.html").read_bytes()


def test_an_address_is_of_a_server_and_holds_no_password() -> None:
    """It is stored in `run.json`."""
    assert tracking_uri("https://ml.example/base") == "https://ml.example/base"
    for text, message in (
        ("file:mlruns", "address of an MLflow server"),
        ("http://", "address of an MLflow server"),
        ("http://[", "address of an MLflow server"),
        ("http://ann:pw@ml:5000", "set MLFLOW_TRACKING_USERNAME"),
    ):
        with pytest.raises(ValueError, match=message):
            tracking_uri(text)
