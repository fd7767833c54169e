"""Every fault that a fleet must survive: how it is injected into a run, and how long the run may take."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from schemas.files.run_files import read_manifest
from schemas.redis.dead_letters import Place, read_dead_letters
from schemas.redis.keys import outcomes_stream, run_id_owner_key
from schemas.redis.signing import FleetKey
from tests.chaos.forgeries import ELSEWHERE, Intruder, announce, forge_heartbeats, forge_outcomes, of_a_later_version
from tests.chaos.junk import ITEMS, throwing
from tests.chaos.lab import Lab, Run
from tests.chaos.sentinel_lab import SentinelLab, fail_over
from tests.waiting import wait_for

SPOILED = "BBB_2023-09-21_to_2023-12-20"
SEED = 20261122

# Injects the fault into a run, and reports each injection to the lab; it may wait for progress of the run first.
Inject = Callable[[Lab, Run], None]


@dataclass(frozen=True)
class Fault:
    """`spoil` names the window that fails by design, and how; see `spoiled/sitecustomize.py`. `kind` makes the lab."""

    name: str
    inject: Inject
    spoil: str | None = None
    arguments: tuple[str, ...] = ()
    within_s: float = 120.0
    kind: Callable[[Path], Lab] = Lab


def _thrice(inject: Callable[[Lab], None]) -> Inject:
    def at_three_moments(lab: Lab, run: Run) -> None:
        for moment in (15, 50, 85):
            run.reaches(moment)
            inject(lab)
            lab.note_injection()

    return at_three_moments


def _kill_busy(lab: Lab) -> None:
    os.kill(lab.busy().pid, signal.SIGKILL)


def _terminate_busy(lab: Lab) -> None:
    os.kill(lab.busy().pid, signal.SIGTERM)


def _quit_busy(lab: Lab) -> None:
    os.kill(lab.busy().pid, signal.SIGQUIT)


def _kill_child(lab: Lab) -> None:
    lab.child(lab.busy().pid).kill()


def _kill_idle(lab: Lab, run: Run) -> None:
    """Kill a worker before the run sends anything; its last heartbeat still announces it."""
    wait_for(run.layout.manifest.is_file, "the run's manifest")
    os.kill(next(iter(lab.present().values())).pid, signal.SIGKILL)
    lab.note_injection()


def _kill_between_take_and_start(lab: Lab, run: Run) -> None:
    """Freeze a waiting worker, send it work, kill it: messages that the server has written to its socket are lost."""
    name, victim = next(iter(lab.present().items()))
    wait_for(run.layout.manifest.is_file, "the run's manifest")
    os.kill(victim.pid, signal.SIGSTOP)
    wait_for(lambda: name in run.devices(), "an attempt sent to the frozen worker")
    os.kill(victim.pid, signal.SIGKILL)
    lab.note_injection()


def _freeze_past_expiry(lab: Lab, run: Run) -> None:
    """Freeze worker and pool child until their work is elsewhere; then the zombie finishes and commits."""
    run.reaches(15)
    frozen, held = wait_for(partial(_freeze_busy, lab, run), "a worker that was frozen with work")
    lab.note_injection()
    wait_for(
        lambda: any(run.attempts_of(name) > 1 for name in held) or run.process.poll() is not None,
        "its work to go elsewhere",
    )
    for process in frozen:
        process.resume()


def _freeze_busy(lab: Lab, run: Run) -> tuple[list[psutil.Process], list[str]] | None:
    """Freeze a worker and its pool child: the processes and what they hold; None if their work has just ended."""
    victim = lab.busy()
    frozen = [psutil.Process(victim.pid), lab.child(victim.pid)]
    for process in frozen:
        process.suspend()
    held = [name for device, name in run.held() if device == victim.device.name]
    if held:
        return frozen, held
    for process in frozen:
        process.resume()
    return None


def _kill_orchestrator(lab: Lab, run: Run) -> None:
    """Kill the orchestrator ten times, each time a little later, and resume it each time."""
    dice = random.Random(SEED)
    for _ in range(10):
        goal = run.ended() + dice.randrange(1, 14)
        wait_for(
            partial(lambda goal: run.ended() >= goal or run.process.poll() is not None, goal), "some more outcomes"
        )
        run.resume()
        lab.note_injection()


def _kill_connections(lab: Lab) -> None:
    lab.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]
    lab.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]


def _flush_server(lab: Lab) -> None:
    lab.redis.flushall()


def _for_a_while(begin: Callable[[Lab], object], end: Callable[[Lab], object], seconds: float = 8.0) -> Inject:
    """Change the server for so many seconds: how long it lasts is the fault."""

    def inject(lab: Lab, run: Run) -> None:
        run.reaches(30)
        lab.note_injection()
        begin(lab)
        time.sleep(seconds)
        end(lab)

    return inject


def _set(name: str, during: int, after: int) -> Inject:
    """Change a number of the server's configuration for a while."""
    return _for_a_while(lambda lab: lab.redis.config_set(name, during), lambda lab: lab.redis.config_set(name, after))


def _follow(host: str, port: str) -> Callable[[Lab], object]:
    """Make the server a replica of none, which is read-only, or a primary again, as a fail-over does."""
    return lambda lab: lab.redis.replicaof(host, port)


def _signal(number: signal.Signals) -> Callable[[Lab], object]:
    """Send the server's process a signal."""
    return lambda lab: lab.server.send_signal(number)


def _throw_junk(lab: Lab, run: Run) -> None:
    """Throw junk at every place of the run, until most of it is done."""
    run.reaches(5)
    with throwing(lab.redis, run.run_id, next(iter(lab.present())), ITEMS) as thrower:
        run.reaches(100)
    assert thrower.thrown["key"] > 5, thrower.thrown
    lab.note_injection()
    counts, _ = read_dead_letters(lab.redis, 0)
    assert counts.keys() == set(Place), counts


def _let_a_later_version_join(lab: Lab, run: Run) -> None:
    """Two idle workers of a later version join: one can be read, one cannot. They get no work."""
    run.reaches(15)
    heartbeat = next(iter(lab.present().values()))
    for name, kind in (("later@elsewhere", "cpu"), ("npu@elsewhere", "npu")):
        announce(lab.redis, name, of_a_later_version(heartbeat, name, kind))
    lab.note_injection()
    assert lab.present()["later@elsewhere"].versions["gurukul"] == "9.0"
    run.reaches(85)
    assert "later@elsewhere gets no work" in run.printed, run.printed
    assert not [name for name in run.devices() if name.endswith(ELSEWHERE)]


def _forge(lab: Lab, run: Run) -> None:
    """Forge outcomes of all that was sent until the run's end, and heartbeats that lie, with a worker and without."""
    run.reaches(5)
    heartbeat = next(iter(lab.present().values()))
    lab.note_injection()
    forged = 0
    while run.process.poll() is None:
        sent = run.sent()
        forge_heartbeats(lab.redis, run.run_id, sent, heartbeat)
        forged += forge_outcomes(lab.redis, run.run_id, sent)
        time.sleep(0.05)
    assert forged > 500, forged
    assert [name for name in run.devices() if name.endswith(ELSEWHERE)], "no ghost was sent anything"
    assert not [name for name in run.finishers() if name.endswith(ELSEWHERE)]


def _intrude(lab: Lab, run: Run) -> None:
    """Forge and replay whatever a fleet with a key exchanges, until the run's end. Nothing of it counts."""
    run.reaches(5)
    lab.note_injection()
    devices = sorted(lab.present())
    intruder = Intruder(lab.url, lab.redis, read_manifest(run.layout))
    while run.process.poll() is None:
        intruder.watch(devices)
        intruder.forge(devices, run.sent())
        time.sleep(0.05)
    # What the intruder wrote once more after the end.
    lab.redis.delete(run_id_owner_key(run.run_id), outcomes_stream(run.run_id))
    _assert_kept_out(lab, run, intruder)
    counts, _ = read_dead_letters(lab.redis, 0)
    assert counts.keys() >= {Place.QUEUE, Place.OUTCOMES, Place.PRESENCE, Place.ORDERS, Place.KEY}, counts


def _claim_falsely(lab: Lab, run: Run) -> None:
    """Claim attempts without the key, once per piece of work, from the fifth outcome to the fiftieth."""
    run.reaches(5)
    intruder = Intruder(lab.url, lab.redis, read_manifest(run.layout))
    while run.ended() < 50 and run.process.poll() is None:
        intruder.claim(run.sent())
        time.sleep(0.05)
    lab.note_injection()
    _assert_kept_out(lab, run, intruder)


def _assert_kept_out(lab: Lab, run: Run, intruder: Intruder) -> None:
    assert intruder.stored > 20, intruder.stored
    assert not [name for name in (*run.devices(), *run.finishers()) if name.endswith(ELSEWHERE)]


class SignedLab(Lab):
    """Fleet and orchestrator have a key, which this process does not have."""

    key = FleetKey.generate().environment()

    def environment(self) -> dict[str, str]:
        return super().environment() | self.key


def one_after_another(lab: Lab, run: Run) -> None:
    """The selection of the test suite: a worker killed, then the server flushed, then a worker frozen past expiry."""
    run.reaches(5)
    _kill_busy(lab)
    lab.note_injection()
    run.reaches(12)
    _flush_server(lab)
    lab.note_injection()
    _freeze_past_expiry(lab, run)


def _let_it_run(lab: Lab, run: Run) -> None:
    lab.note_injection()


def _fill_disk(lab: Lab, run: Run) -> None:
    """Fill the data folder's disk until the run fails; then free space and resume it."""
    run.reaches(20)
    filler = run.cwd / "data" / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1M"], capture_output=True)
    run.process.wait(90)
    filler.unlink()
    lab.note_injection()
    run.resume()


def small_disk(folder: Path) -> None:
    """Mount a small disk; CalledProcessError if this process is not allowed to."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], check=True, capture_output=True)


def may_mount() -> bool:
    """Whether this process may mount a disk."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


def mix(lab: Lab, run: Run, dice: random.Random, until: float) -> None:
    """Inject random faults, one after another, from the run's start to its end, or until the time is over."""
    wait_for(lambda: run.ended() > 0, "the run's first outcome")
    while time.monotonic() < until and run.process.poll() is None:
        time.sleep(dice.uniform(0.5, 2.5))
        if run.process.poll() is not None:
            break
        fault = dice.choice(("kill", "child", "freeze", "terminate", "connections", "flush", "orchestrator", "server"))
        workers = [presence.pid for presence in lab.present().values() if psutil.pid_exists(presence.pid)]
        if fault == "orchestrator" and run.layout.ledger.is_file():
            run.resume()
        elif fault == "server":
            lab.stop_server()
            time.sleep(1)
            lab.start_server()
        elif fault == "connections":
            _kill_connections(lab)
        elif fault == "flush":
            _flush_server(lab)
        elif workers:
            _to_a_worker(fault, psutil.Process(dice.choice(workers)))
        lab.note_injection()


def _to_a_worker(fault: str, worker: psutil.Process) -> None:
    try:
        if fault == "kill":
            worker.kill()
        elif fault == "terminate":
            worker.terminate()
        elif fault == "child":
            for child in worker.children():
                child.kill()
        else:
            worker.suspend()
            time.sleep(2)
            worker.resume()
    except psutil.NoSuchProcess:
        return


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("SIGKILL of a worker that trains", _thrice(_kill_busy)),
        Fault("SIGKILL of an idle worker", _kill_idle),
        Fault("SIGKILL between take and start", _kill_between_take_and_start),
        Fault("SIGKILL of a pool child", _thrice(_kill_child)),
        Fault("SIGSTOP past expiry, SIGCONT", _freeze_past_expiry),
        Fault("SIGTERM of a worker that trains", _thrice(_terminate_busy)),
        Fault("SIGQUIT of a worker that trains", _thrice(_quit_busy)),
        Fault("SIGKILL of the orchestrator, resume", _kill_orchestrator, within_s=180.0),
        Fault("CLIENT KILL of every connection", _thrice(_kill_connections)),
        Fault("server away for 4 s, back with its AOF", _for_a_while(Lab.stop_server, Lab.start_server, 4)),
        Fault("server away for 21 s, back with its AOF", _for_a_while(Lab.stop_server, Lab.start_server, 21)),
        Fault("server flushed", _thrice(_flush_server)),
        Fault("server frozen for 8 s", _for_a_while(_signal(signal.SIGSTOP), _signal(signal.SIGCONT))),
        Fault("server read-only for 8 s", _for_a_while(_follow("127.0.0.1", "1"), _follow("NO", "ONE"))),
        Fault("server without its replica for 8 s", _set("min-replicas-to-write", 1, 0)),
        Fault("primary killed, Sentinel fails over", fail_over, within_s=180.0, kind=SentinelLab),
        Fault("server's memory full for 8 s", _set("maxmemory", 1, 0)),
        Fault("window that exits its process", _let_it_run, spoil=f"exit:{SPOILED}"),
        Fault(
            "window that never returns",
            _let_it_run,
            spoil=f"hang:{SPOILED}",
            arguments=("--window-limit", "5"),
        ),
        Fault("window that raises MemoryError", _let_it_run, spoil=f"memory:{SPOILED}"),
        Fault("junk everywhere", _throw_junk, within_s=180.0),
        Fault("forged outcomes and heartbeats", _forge, within_s=240.0),
        Fault("forged and replayed messages, fleet with a key", _intrude, within_s=240.0, kind=SignedLab),
        Fault("false claims, fleet with a key", _claim_falsely, within_s=240.0, kind=SignedLab),
        Fault("later version's workers join", _let_a_later_version_join),
        Fault("full disk, then room, resume", _fill_disk, within_s=180.0),
    )
}
MIX = "random mix for 90 s"
