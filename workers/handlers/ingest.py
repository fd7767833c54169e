"""The task that stores one symbol's bars."""

from pathlib import Path

from schemas.config.sources import split_source
from schemas.contract.task import IngestTask
from schemas.redis.worker_connection import shared
from workers.handlers.task_result import Result


def ingest(task: IngestTask, data_dir: Path) -> Result:
    """Read a symbol's bars from their source, check them, and store those that may reach a model."""
    from workers.bars.ingestion import ingest as store_bars  # imports pyarrow
    from workers.bars.sources.pace import Pace

    vendor = split_source(task.settings.source)[0].name
    acquire = Pace(shared(), task.settings.requests_per_minute, vendor=vendor).acquire
    ingested = store_bars(task.settings, task.symbol, str(data_dir), task.run_id, acquire)
    if ingested.rejected is not None:
        return Result(ingested=ingested, reason=ingested.rejected.reason, message=ingested.rejected.sentence)
    stored = ingested.stored
    assert stored is not None
    return Result({"bars": stored.bars}, {f"{task.symbol}.parquet": stored.sha256}, ingested=ingested)
