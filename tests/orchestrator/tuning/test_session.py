"""Requests for a study that are refused before anything is written."""

from pathlib import Path

from tests.conftest import SPAN, command


def test_a_study_sends_nothing_to_mlflow(tmp_path: Path) -> None:
    """Its trials are not judged; the remedy is named."""
    (tmp_path / "space.toml").write_text("[student.ridge]\nlow = 1\nhigh = 1000\n")
    words = ("--space", "space.toml", "--tune-end", "2024-04-01", "--source", "sample", *SPAN)
    refused = command("tune", *words, "--mlflow", "http://127.0.0.1:1", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--mlflow stores judged runs, and a study is none: give it to `run --config best.toml`" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["space.toml"]
