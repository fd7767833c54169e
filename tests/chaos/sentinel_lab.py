"""A lab whose broker is a primary, its replica and a Sentinel that makes the replica the primary once that is dead."""

import subprocess
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from orchestrator.broker.embedded import find_binary
from tests.chaos.lab import Lab, Run
from tests.ports import free_port
from tests.waiting import wait_for

PRIMARY, REPLICA, SERVICE = "127.0.0.1", "127.0.0.2", "main"


class SentinelLab(Lab):
    """Clients know the Sentinel's address alone."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sentinel = free_port()
        self.url = f"redis+sentinel://{PRIMARY}:{self.sentinel}/0?service={SERVICE}"

    def start_server(self) -> None:
        """Start all three, and wait until the replica has what the primary has."""
        self.server, _ = self._start(PRIMARY), self._start(REPLICA)
        wait_for(self._answers, "the primary")
        replica: Any = Redis(host=REPLICA, port=self.port)
        wait_for(lambda: _info(replica), "the replica")
        replica.replicaof(PRIMARY, str(self.port))
        wait_for(lambda: _info(replica).get("master_link_status") == "up", "the replica's copy")
        replica.close()
        settings = self.folder / "sentinel.conf"
        settings.write_text(
            f"port {self.sentinel}\nbind {PRIMARY}\ndir {self.folder}\n"
            f"sentinel monitor {SERVICE} {PRIMARY} {self.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 5000\n"
        )
        command = [find_binary(), str(settings), "--sentinel"]
        self.started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        other: Any = Redis(port=self.sentinel)
        wait_for(lambda: _slaves(other), "the Sentinel to know the replica", within_s=30)
        other.close()

    def _start(self, place: str) -> subprocess.Popen[bytes]:
        folder = self.folder / place
        folder.mkdir()
        words = [find_binary(), "--bind", place, "--port", str(self.port), "--dir", str(folder), "--save", ""]
        words += ["--appendonly", "yes", "--replica-announce-ip", place]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        self.started.append(process)
        return process


def fail_over(lab: Lab, run: Run) -> None:
    """Kill the primary in the middle of a run, and let the Sentinel do the rest."""
    run.reaches(15)
    lab.note_injection()
    lab.server.kill()
    lab.redis.close()
    lab.redis = Redis(host=REPLICA, port=lab.port, socket_timeout=15)
    wait_for(lambda: _info(lab.redis).get("role") == "master", "the new primary", within_s=30)


def _info(redis: Any) -> dict[str, Any]:
    try:
        return dict(redis.info("replication"))
    except RedisError:
        return {}


def _slaves(sentinel: Any) -> bool:
    try:
        return bool(sentinel.execute_command("SENTINEL", "REPLICAS", SERVICE))
    except RedisError:
        return False
