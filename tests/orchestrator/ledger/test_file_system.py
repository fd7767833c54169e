"""Network file systems: which they are, and a ledger on one."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.ledger import connection
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ledger_reader import read_snapshot
from schemas.contract.run import RunStatus
from schemas.files import file_system
from schemas.files.file_system import network_file_system, type_of

MOUNTS = """\
overlay / overlay rw,relatime 0 0
server:/export /srv nfs4 rw,vers=4.2 0 0
/dev/sdb1 /srv/local ext4 rw 0 0
//host/share /mnt/two\\040words cifs rw 0 0
alice@host: /home/alice/far fuse.sshfs rw 0 0
/dev/sdc1 /media/usb fuseblk rw 0 0
C: /mnt/c 9p rw 0 0
tmpfs /over tmpfs rw 0 0
box:/over /over nfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "found", "is_network"),
    [
        ("/home/bob/data", "overlay", False),
        ("/srv/data/models", "nfs4", True),
        ("/srv", "nfs4", True),
        ("/srv/local/data", "ext4", False),
        ("/srvother/data", "overlay", False),
        ("/mnt/two words/data", "cifs", True),
        ("/home/alice/far/data", "fuse.sshfs", True),
        ("/media/usb/data", "fuseblk", False),
        ("/mnt/c/Users", "9p", True),
        ("/over/data", "nfs", True),
    ],
)
def test_the_innermost_mount_decides(
    path: str, found: str, is_network: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names with blanks are decoded, a later mount on one point covers an earlier one, a common prefix is no parent."""
    assert type_of(MOUNTS, path) == found
    (tmp_path / "mounts").write_text(MOUNTS)
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "mounts")
    assert network_file_system(Path(path)) == (found if is_network else None)
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "none")
    assert network_file_system(Path(path)) is None


@pytest.fixture
def on_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ledger is on a network file system."""
    monkeypatch.setattr(connection, "network_file_system", lambda path: "nfs4")


@pytest.mark.usefixtures("on_nfs")
def test_a_ledger_there_has_no_write_ahead_log(tmp_path: Path) -> None:
    """Its readers see what is committed while it is written, and no file is left beside it."""
    path = tmp_path / "ledger.db"
    with closing(Ledger.create(path)) as ledger:
        for status in (RunStatus.RUNNING, RunStatus.FAILED):
            ledger.set(status=status)
            with closing(Ledger(path, read_only=True)) as reader:
                assert reader.get("status") == status
            assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]


def test_a_ledger_that_is_moved_there_loses_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the log holds is kept, and the copy works as one that was made there."""
    path = tmp_path / "ledger.db"
    code = (
        "import os, sys; from pathlib import Path; from orchestrator.ledger.ledger import Ledger;"
        "Ledger.create(Path(sys.argv[1])).set(status='failed'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.with_name("ledger.db-wal").stat().st_size
    path.with_name("ledger.db-shm").unlink()
    monkeypatch.setattr(connection, "network_file_system", lambda path: "nfs4")
    with closing(Ledger(path)) as ledger:
        assert ledger.get("status") == "failed"
        ledger.set(message="written there")
        with closing(Ledger(path, read_only=True)) as reader:
            assert reader.get("message") == "written there"
        assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]


@pytest.mark.usefixtures("on_nfs")
def test_a_half_written_ledger_there_is_read_and_recovered(tmp_path: Path) -> None:
    """A process that was killed in a transaction leaves a journal: readers undo it in a copy, a writer in place."""
    path = tmp_path / "ledger.db"
    with closing(Ledger.create(path)) as ledger:
        ledger.set(status=RunStatus.RUNNING)
    code = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size=1")
db.execute("BEGIN")
db.execute("UPDATE run SET value = 'failed'")
db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
           " INSERT INTO run SELECT 'key' || i, 'value' FROM n")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    journal = path.with_name("ledger.db-journal")
    assert journal.stat().st_size
    assert read_snapshot(path).condition.status is RunStatus.INTERRUPTED
    assert journal.stat().st_size
    with closing(Ledger(path)) as ledger:
        assert ledger.get("status") == RunStatus.RUNNING and ledger.get("key7") is None
