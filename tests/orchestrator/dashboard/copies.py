"""Copies of a finished run in other states."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

SOURCE = "generated"


def copied(cwd: Path, name: str, status: str = "ready-for-review", share: float = 1.0) -> Path:
    """Copy the run of `cwd` to another id, with another recorded status and the first share of its events."""
    folder = cwd / "data" / "models" / name
    shutil.copytree(cwd / "data" / "models" / SOURCE, folder)
    manifest = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(manifest | {"run_id": name}))
    with closing(sqlite3.connect(folder / "ledger.db")) as db, db:
        db.execute("UPDATE run SET value = ? WHERE key = 'status'", (status,))
        db.execute("INSERT OR REPLACE INTO run VALUES ('message', ?)", (f"{status} for the test",))
        if status != "ready-for-review":
            db.execute("DELETE FROM run WHERE key = 'recommendation'")
    for leftover in folder.glob("ledger.db-*"):
        leftover.unlink()
    logs = cwd / "data" / "analytics" / "training"
    text = (logs / f"training_run_{SOURCE}.jsonl").read_text().replace(f'"run_id":"{SOURCE}"', f'"run_id":"{name}"')
    lines = text.splitlines(keepends=True)
    kept = lines[: max(int(share * len(lines)), 1)]
    if status == "failed":
        end = json.loads(lines[-1]) | {"seq": len(kept) + 1, "status": "failed", "message": "disk full"}
        kept.append(json.dumps(end | {"metrics": {"status": "failed"}}) + "\n")
    (logs / f"training_run_{name}.jsonl").write_text("".join(kept))
    if status != "ready-for-review":
        (folder / "statistics.json").unlink()
    return folder
