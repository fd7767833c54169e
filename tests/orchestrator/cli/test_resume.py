"""`orchestrator resume --wait`: the pod or host that follows a lost one waits until that counts as ended."""

from collections import deque

import pytest

from orchestrator.cli import resume
from orchestrator.terminal.console import Console
from schemas.contract.errors import HeldError, RequestError


def test_a_run_of_a_lost_host_is_resumed_once_it_is_free(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason is printed once, and what else is wrong is not waited for."""
    monkeypatch.setattr(resume, "POLL_S", 0.0)
    answers: deque[Exception | None] = deque([HeldError("held until 12:00"), HeldError("held until 12:00"), None])

    def try_it() -> int:
        if (answer := answers.popleft()) is not None:
            raise answer
        return 0

    assert resume.once_free(try_it, 60.0, Console()) == 0
    assert capsys.readouterr().out.count("waiting for up to 60 s: held until 12:00") == 1
    answers.append(HeldError("held"))
    with pytest.raises(HeldError):
        resume.once_free(try_it, 0.0, Console())
    answers.append(RequestError("another version"))
    with pytest.raises(RequestError, match="another version"):
        resume.once_free(try_it, 60.0, Console())
