"""What a call of a plug-in may print, and how much memory it may take."""

import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from schemas.contract.device import MIB
from schemas.contract.errors import DataError
from workers.plugins.blame import user_code
from workers.plugins.memory_limit import limited_memory
from workers.plugins.printing import MOST_CHARACTERS
from workers.plugins.time_limit import within


def test_a_call_prints_so_much_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    """To standard error, whichever of both it prints to; the next call has the whole limit again."""
    for _ in range(2):
        with user_code("ideas.py", "in feature f"):
            print("noise " * MOST_CHARACTERS)
            print("more", file=sys.stderr)
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("noise ")
        assert MOST_CHARACTERS < len(err) < MOST_CHARACTERS + 100
        assert err.endswith("(a plug-in has printed 10,000 characters; the rest is left out)\n")
    print("after")
    assert capsys.readouterr().out == "after\n"


def test_memory_beyond_half_of_what_is_available_is_refused_inside_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process keeps running, and has its own limit afterwards. A smaller one of its own stays inside."""
    monkeypatch.setattr("workers.plugins.memory_limit._available_bytes", lambda now: 200 * MIB)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_memory():
        assert len(bytearray(50 * MIB)) == 50 * MIB
        with pytest.raises(MemoryError):
            bytearray(150 * MIB)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytearray(150 * MIB)) == 150 * MIB
    monkeypatch.setattr("workers.plugins.memory_limit._available_bytes", lambda now: 2**40)
    with limited_memory():
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (2**35, hard))
        with limited_memory():
            assert resource.getrlimit(resource.RLIMIT_DATA)[0] == 2**35 < soft
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def test_calls_of_several_threads_follow_each_other() -> None:
    """As `predict` reads symbols in threads; the limits of the process are as before."""
    before, inside, most = resource.getrlimit(resource.RLIMIT_DATA), [0], [0]

    def call(number: int) -> None:
        with user_code("ideas.py", f"in feature f{number}"), within(60.0):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.002)
            inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(20)))
    assert most == [1] and resource.getrlimit(resource.RLIMIT_DATA) == before


def test_memory_that_runs_out_names_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a MemoryError, which lets the window be tried again alone; any other error is a DataError."""
    monkeypatch.setattr("workers.plugins.memory_limit._available_bytes", lambda now: 200 * MIB)
    place = r"test_limits.py line \d+: out of memory \(in feature f\)"
    with pytest.raises(MemoryError, match=place), user_code(__file__, "in feature f"):
        bytearray(150 * MIB)
    with pytest.raises(DataError, match="ZeroDivisionError"), user_code(__file__, "in feature f"):
        _ = 1 / 0


def test_a_process_that_sees_a_gpu_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA reserves far more than it uses."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    monkeypatch.setattr("workers.plugins.memory_limit._available_bytes", lambda now: 0)
    with limited_memory():
        assert len(bytearray(50 * MIB)) == 50 * MIB
