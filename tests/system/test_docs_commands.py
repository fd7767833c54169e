"""The commands of the docs, run one after another in a folder with a finished run and its bars."""

import shutil
from pathlib import Path

from schemas.contract.task import Role, Status
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_rows
from tests.conftest import Finished, SharedFleet, command
from tests.documented import documented

RUN = "generated"

# Flags that a folder with one run of random walks needs: a reason, no waiting time, bars without an exchange.
ALSO = {
    "approve": ("--override", "a demonstration"),
    "deploy": ("--min-staging-hours", "0"),
    "predict": ("--as-of", "2024-12-31"),
}
# Of a vendor, a key, a server, a folder that the text invents, or a plan that has too little to compute a power from.
NOT_HERE = {"breeze", "KEY.pub", "release.pub", "secrets/gurukul.url", "--broker", "jsonl:DIR", "--power"}
READS = {
    "acl", "compare", "explain", "export", "features", "plan", "predict", "releases", "replay", "runs", "status",
    "telemetry", "verify", "watch",
}  # fmt: skip
WRITES = {"approve", "deploy", "ingest", "new"}


def test_the_commands_of_the_docs_do_what_they_say(
    bars: Path, two_device_run: Finished, fleet: SharedFleet, tmp_path: Path
) -> None:
    """Each ends with 0. Not run here: what starts a run, serves pages, or needs a vendor, a key or a second release.

    Those have tests of their own; tests/house/test_commands.py holds their flags.
    """
    cwd = shutil.copytree(two_device_run.cwd, tmp_path / "copy", symlinks=True)
    shutil.copytree(bars, cwd / "bars")
    fleet.serve(cwd / "data")
    rows = read_rows(RunLayout.under(cwd / "data", RUN), Role.STUDENT)
    names = {
        "WINDOW": next(row.window_label for row in rows if row.status is Status.SUCCESS),
        "FILE": two_device_run.summary["paths"]["telemetry"],
        **dict.fromkeys(("RUN_ID", "RUN_A", "RUN_B", "STUDY"), RUN),
    }
    done = set()
    # Releases come in the order of their page: approved, then in staging, then in production.
    shown = [each for each in documented("orchestrator") if each.page == "releases.md"]
    shown += [each for each in documented("orchestrator") if each.page != "releases.md" and each.words[0] != "deploy"]
    first_page: dict[tuple[str, ...], str] = {}
    for page, words in shown:
        first_page.setdefault(words, page)
    for words, page in first_page.items():
        name = words[0]
        if name not in READS | WRITES or NOT_HERE & set(words) or words == ("ingest",):
            continue
        if name in READS and len(words) == 1 and name not in ("runs", "releases"):
            continue  # a command's name in running text
        given = tuple(names.get(word, word) for word in words)
        shutil.rmtree(cwd / "secrets", ignore_errors=True)  # each page that makes passwords begins without
        also = fleet if name == "ingest" else ALSO.get(name, ())
        result = command(*given, *also, cwd=cwd)
        assert result.returncode == 0, f"{page}: {' '.join(given)}: {result.stdout}{result.stderr}"
        done.add(name)
    assert done == READS | WRITES
