"""Signatures of messages: what counts, what does not, and how keys are read."""

from pathlib import Path

import pytest

from schemas.contract.errors import RequestError
from schemas.contract.received import UnreadableError
from schemas.redis.signing import KEY_ENV, KEY_FILE_ENV, NO_KEY, FleetKey, Kind, fleet_key

OLD, NEW = "o" * 32, "n" * 32
KEY = FleetKey.parse(OLD, "a test")


def test_a_signed_message_is_opened_where_it_belongs() -> None:
    """Without a key nothing is signed, and the signature of others is passed over."""
    signed = KEY.sign(Kind.TASK, "cpu0@a", b'{"x": 1}')
    assert KEY.open(Kind.TASK, "cpu0@a", signed) == NO_KEY.open(Kind.ORDER, "z", signed) == b'{"x": 1}'
    assert NO_KEY.sign(Kind.TASK, "cpu0@a", b"{}") == b"{}"


@pytest.mark.parametrize("change", ["kind", "place", "body", "key", "none", "cut", "empty"])
def test_any_other_message_is_unreadable(change: str) -> None:
    """A copy at another place, another kind, a changed byte, another key, or no signature."""
    signed = KEY.sign(Kind.OUTCOME, "run", b"{}")
    other = {"body": signed[:-1], "none": b"{}", "cut": signed[:64], "empty": b""}.get(change, signed)
    if change == "key":
        other = FleetKey.parse(NEW, "a test").sign(Kind.OUTCOME, "run", b"{}")
    with pytest.raises(UnreadableError, match=KEY_FILE_ENV):
        KEY.open(Kind.TASK if change == "kind" else Kind.OUTCOME, "other" if change == "place" else "run", other)


def test_a_key_is_replaced_in_three_steps() -> None:
    """Both keys are accepted while the fleet has both in any order; afterwards the old one is not."""
    both, swapped, new = (FleetKey.parse(text, "a test") for text in (f"{OLD} {NEW}", f"{NEW}\n{OLD}", NEW))
    for sender, receiver in ((KEY, both), (both, KEY), (both, swapped), (swapped, both), (swapped, new), (new, both)):
        assert receiver.open(Kind.TASK, "q", sender.sign(Kind.TASK, "q", b"{}")) == b"{}"
    assert set(both.names) == set(swapped.names) and both.names[0] == KEY.names[0] != new.names[0]
    with pytest.raises(UnreadableError):
        new.open(Kind.TASK, "q", KEY.sign(Kind.TASK, "q", b"{}"))


def test_a_key_comes_from_a_private_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both at once, a file that all may read, and a key that is too short are refused; no error or repr shows a key."""
    assert not fleet_key()
    file, shared, short = (tmp_path / name for name in ("key", "shared", "short"))
    for path, text in ((file, f"{OLD}\n"), (shared, OLD), (short, "secret")):
        path.write_text(text)
        path.chmod(0o604 if path == shared else 0o600)
    monkeypatch.setenv(KEY_FILE_ENV, str(file))
    assert fleet_key() == KEY and OLD not in repr(fleet_key())
    for path, words in ((shared, "chmod 600"), (short, "openssl rand -hex 32"), (tmp_path / "none", "cannot be read")):
        monkeypatch.setenv(KEY_FILE_ENV, str(path))
        with pytest.raises(RequestError, match=words) as refused:
            fleet_key()
        assert "secret" not in str(refused.value)
    monkeypatch.setenv(KEY_ENV, OLD)
    with pytest.raises(RequestError, match="exclude each other"):
        fleet_key()
    monkeypatch.delenv(KEY_FILE_ENV)
    assert fleet_key() == KEY
