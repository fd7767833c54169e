"""What a worker with a store brings to its host before it does a task."""

from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from orchestrator.store.run_store import RunStore
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import FileError
from schemas.contract.folders import Folders
from schemas.contract.task import Role, RunTask
from schemas.contract.universe import Stay, Universe
from schemas.files.atomic import sha256_of, to_json
from schemas.files.layout import BarsLayout, RunLayout
from schemas.files.run_files import open_run, write_model
from schemas.files.run_paths import portable
from schemas.files.universe import store_universe, stored_universe
from schemas.store.judged_inputs import list_key
from schemas.store.listed_files import ListedFiles
from schemas.store.mirror import Mirror
from tests.conftest import Finished
from workers.handlers.remote import carry_out
from workers.handlers.task_result import Result

TASK = RunTask(run_id="generated", telemetry=False, role=Role.STATISTICS, gate="data")


def listed(mirror: Mirror, layout: RunLayout) -> RunTask:
    """A task whose list of files is in the store, with `run.json` alone."""
    files = {mirror.key(layout.manifest): sha256_of(layout.manifest)}
    content = to_json(ListedFiles(files=files).model_dump(mode="json")).encode()
    mirror.store.put(list_key(layout), content)
    return TASK.model_copy(update={"inputs": sha256(content).hexdigest()})


def published(run: Finished, url: str) -> tuple[Mirror, RunLayout, RunManifest]:
    """A stored run of this host, with `run.json` in a store."""
    manifest, layout = open_run(run.cwd / "data", "generated")
    mirror = Mirror.of(layout.data_dir, url)
    assert mirror is not None
    mirror.push(layout.manifest)
    return mirror, layout, manifest


def refused(task: RunTask, _: Path) -> Result:
    """A handler that no task may reach."""
    raise AssertionError(task)


def test_a_judging_task_reads_what_its_run_has_listed_and_nothing_else(
    two_device_run: Finished, tmp_path: Path
) -> None:
    """Who may write the store, but cannot sign, can replace neither the list, nor a file of it, `run.json` included."""
    url = f"file://{tmp_path}/store"
    own, layout, _ = published(two_device_run, url)
    task, folders = listed(own, layout), Folders(data_dir=str(tmp_path / "late"), store=url)
    own.store.put(own.key(layout.manifest), layout.manifest.read_bytes() + b" ")
    with pytest.raises(FileError, match=r"run\.json"):
        carry_out(task, folders, refused)
    own.push(layout.manifest)
    own.store.put(list_key(layout), b'{"files": {}}')
    with pytest.raises(FileError, match="is not what the run has listed; resume the run"):
        carry_out(task, folders, refused)


def test_a_judging_task_finds_the_bars_of_symbols_that_its_host_has_not_trained(
    two_device_run: Finished, tmp_path: Path
) -> None:
    """A host that joins late gets a gate as its first task: every bar file of the run is there, as the run read it."""
    url = f"file://{tmp_path}/store"
    own, layout, manifest = published(two_device_run, url)
    assert manifest.bars is not None
    bars = BarsLayout.under(layout.data_dir, manifest.config.interval)
    rows = manifest.bars.symbols
    for symbol, row in rows.items():
        own.push_bars(bars, bars.bars(symbol), row.sha256)
    task = listed(own, layout)
    found: dict[str, str] = {}

    def judge(_: RunTask, data_dir: Path) -> Result:
        here = BarsLayout.under(data_dir, manifest.config.interval)
        found.update({symbol: sha256_of(here.bars_of(symbol, row.sha256)) for symbol, row in rows.items()})
        gate = data_dir / layout.gate("data").relative_to(layout.data_dir)
        gate.parent.mkdir(parents=True)
        gate.touch()
        return Result()

    carry_out(task, Folders(data_dir=str(tmp_path / "late"), store=url), judge)
    assert found == {symbol: row.sha256 for symbol, row in rows.items()}


def test_a_host_without_the_universe_of_a_run_finds_it_in_the_store(two_device_run: Finished, tmp_path: Path) -> None:
    """The orchestrator publishes it with the run's name, and the first task of the run brings it."""
    url, data_dir = f"file://{tmp_path}/store", tmp_path / "own"
    universe = Universe(stays={"M&M": (Stay(first=date(2023, 1, 2)),)})
    store_universe(universe, data_dir)
    manifest, _ = open_run(two_device_run.cwd / "data", "generated")
    config = manifest.config.model_copy(
        update={"members": universe.sha256, "store": url, "data_dir": str(data_dir), "telemetry_dir": None}
    )
    layout = RunLayout.under(data_dir, "generated")
    write_model(layout.manifest, manifest.model_copy(update={"config": portable(config, data_dir), "bars": None}))
    own = RunStore.of(config, layout)
    assert own is not None
    own.claim_name()
    task = TASK.model_copy(update={"inputs": own.offer_inputs()})
    found: list[Universe] = []

    def judge(_: RunTask, late: Path) -> Result:
        found.append(stored_universe(late, universe.sha256))
        gate = late / layout.gate("data").relative_to(data_dir)
        gate.parent.mkdir(parents=True, exist_ok=True)
        gate.touch()
        return Result()

    carry_out(task, Folders(data_dir=str(tmp_path / "late"), store=url), judge)
    assert found == [universe]
