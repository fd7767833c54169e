"""The last screen of a run: the verdict and what follows from it."""

from io import StringIO
from typing import Any

import pytest

from orchestrator.runs.summary import SHOWN_NOTES, show_end
from orchestrator.terminal.console import Console
from schemas.contract.conclusion import Conclusion, Earned
from schemas.contract.judgement import Recommendation
from schemas.contract.task import Role

RUN = "live_candidate_20260102_030405"
REPORT = f"release/audit_{RUN}/report.html"
FOUND = Conclusion(
    recommendation=Recommendation.REJECT,
    sentence="The predictions are better than luck, but trading them earned nothing beside the market (-1 % per year).",
    advice="Do not deploy it. Try other features, labels or symbols: more days are not likely to decide it.",
    span="2,109 days", sureness=(), changes=("never shown",) * 30, basis=("never shown",) * 30,
    earned=tuple(Earned(name=name, growth="1 %", a_year="1 %", worst_fall="1 %", sharpe="1") for name in "abc"),
    alerts=("Unexplained jumps of prices: " + "AAPL (1), " * 20,),
    warnings=("never shown",) * 40,
    next_steps=(f"orchestrator reject {RUN} --by NAME",),
)  # fmt: skip
SUMMARY: dict[str, Any] = {
    "run_id": RUN, "status": "ready-for-review", "duration_seconds": 47.3, "paths": {"report": REPORT},
    "windows": {Role.STUDENT: {"planned": 126, "success": 101, "skipped": 25, "failed": 0}},
    "skip_reasons": {"insufficient_history": 3, "no_data": 22}, "conclusion": FOUND.model_dump(mode="json"),
}  # fmt: skip


@pytest.mark.parametrize("notes", [0, SHOWN_NOTES, 500])
def test_the_verdict_comes_last_and_fits_a_small_terminal(notes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """24 lines of 80 columns hold it with the worst notes; the command that shows all of them is named."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    console = Console()
    console.file = StringIO()
    sentences = [f"note {number}: {'a symbol has a fault of its bars ' * 3}" for number in range(notes)]
    show_end(console, SUMMARY, sentences, "/srv/data")
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= 24
    text = " ".join(lines)
    assert "101 of 126 trained, 0 failed, 25 skipped: no bars on its days (22), too few earlier bars (3)" in text
    places = [
        text.index(words)
        for words in ("note 0" if notes else "students", "all else: `", "recommendation", "AAPL", REPORT, "next: ")
    ]
    assert places == sorted(places)
    assert f"orchestrator status {RUN} --data-dir /srv/data" in text
    assert (f"{notes - SHOWN_NOTES} more notes and all else" in text) == (notes > SHOWN_NOTES)
    assert "never shown" not in text
