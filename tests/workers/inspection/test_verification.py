"""What a run read beside its bars, verified."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from schemas.config.features import Plugged, Plugin
from schemas.config.side import SideChoice, SideFile
from schemas.contract.requests import RunQuestion
from schemas.files.layout import side_file, universe_file
from tests.workers.judging.runs import RUN, stored_run
from workers.inspection.verification import verify

CONTENT = b"stored"
DIGEST = sha256(CONTENT).hexdigest()
FLOW = SideFile(name="flow", sha256=DIGEST, columns=("net",), by_symbol=False, lag_s=None, max_age_s=None)
READ: dict[str, Any] = {
    "plugged": Plugged(
        timezone="UTC", plugins=(Plugin(name="mine", sha256="b" * 64),),
        side=SideChoice(calendar="XNSE", interval="1day", files=(FLOW,)),
    ),
    "members": DIGEST,
}  # fmt: skip


def test_side_data_and_the_universe_are_hashed_again(tmp_path: Path) -> None:
    """One that is not what its name states is broken; one that is gone is a note: the run itself is whole."""
    stored_run(tmp_path, symbols=1, days=250, **READ)
    paths = [side_file(tmp_path, "flow", DIGEST), universe_file(tmp_path, DIGEST)]

    def found() -> list[list[str]]:
        seen = verify(RunQuestion(data_dir=str(tmp_path), run_id=RUN))
        assert not seen.error
        return [[str(each) for each in paths if str(each) in " ".join(lines)] for lines in (seen.broken, seen.notes)]

    gone = [str(each) for each in paths]
    assert found() == [[], gone]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
    assert found() == [[], []]
    for path in paths:
        path.write_bytes(CONTENT + b".")
    assert found() == [gone, []]
