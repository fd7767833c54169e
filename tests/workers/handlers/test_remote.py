"""What a worker with a store brings to its host before it does a task."""

from pathlib import Path

from schemas.contract.folders import Folders
from schemas.contract.task import Role, RunTask
from schemas.files.atomic import sha256_of, to_json
from schemas.files.layout import BarsLayout
from schemas.files.run_files import open_run
from schemas.store.judged_inputs import list_key
from schemas.store.listed_files import ListedFiles
from schemas.store.mirror import Mirror
from tests.conftest import Finished
from workers.handlers.remote import carry_out
from workers.handlers.task_result import Result


def test_a_judging_task_finds_the_bars_of_symbols_that_its_host_has_not_trained(
    two_device_run: Finished, tmp_path: Path
) -> None:
    """A host that joins late gets a gate as its first task: every bar file of the run is there, as the run read it."""
    url = f"file://{tmp_path}/store"
    manifest, layout = open_run(two_device_run.cwd / "data", "generated")
    own = Mirror.of(layout.data_dir, url)
    assert own is not None and manifest.bars is not None
    bars = BarsLayout.under(layout.data_dir, manifest.config.interval)
    rows = manifest.bars.symbols
    for symbol, row in rows.items():
        own.push_bars(bars, bars.bars(symbol), row.sha256)
    own.push(layout.manifest)
    own.store.put(list_key(layout), to_json(ListedFiles(files={}).model_dump(mode="json")).encode())
    task = RunTask(run_id="generated", telemetry=False, role=Role.STATISTICS, gate="data")
    found: dict[str, str] = {}

    def judge(_: RunTask, data_dir: Path) -> Result:
        here = BarsLayout.under(data_dir, manifest.config.interval)
        found.update({symbol: sha256_of(here.bars(symbol)) for symbol in rows})
        gate = data_dir / layout.gate("data").relative_to(layout.data_dir)
        gate.parent.mkdir(parents=True)
        gate.touch()
        return Result()

    carry_out(task, Folders(data_dir=str(tmp_path / "late"), store=url), judge)
    assert found == {symbol: row.sha256 for symbol, row in rows.items()}
