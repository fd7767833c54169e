"""Days that are held out stay so: another run that would score them is refused before it starts."""

from datetime import date, timedelta
from pathlib import Path

from schemas.files.trial_log import append_trial
from tests.conftest import SPAN, command
from tests.trials import trial

HELD = date(2024, 3, 1)


def test_a_run_that_would_score_held_out_days_is_refused(bars: Path, tmp_path: Path) -> None:
    """Exit code 2 and nothing written: the message names the run that holds them out, its day and both flags."""
    copy = tmp_path / "data" / "trials.jsonl"
    append_trial([copy], trial(0, symbols=("M&M",), holdout_from=HELD, last=HELD))
    for more in ((), ("--holdout-from", str(HELD + timedelta(days=1)))):
        result = command("run", "--source", f"csv:{bars}", *SPAN, *more, "--run-id", "peek", cwd=tmp_path)
        assert result.returncode == 2, result.stdout
        text = " ".join(result.stderr.split())
        assert (
            "run r0 holds out M&M from 2024-03-01 on" in text and "give --holdout-from 2024-03-01, and --final" in text
        )
    assert [path.name for path in (tmp_path / "data").iterdir()] == [copy.name]
