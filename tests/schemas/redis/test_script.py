"""Each Lua script states its KEYS and ARGV, and the loader passes as many."""

import re
from importlib.resources import files

import pytest
from redis import Redis

from schemas.redis.script import FOLDER, SCRIPTS, Script

PARAMETER = re.compile(r"^-- (KEYS|ARGV)\[(\d+)\] {2}([A-Za-z]+) +\S", re.MULTILINE)
USED = re.compile(r"(KEYS|ARGV)\[(\d+)\]")
TYPES = {
    "KEYS": {"string", "hash", "stream", "zset", "list"},
    "ARGV": {"string", "integer", "seconds", "milliseconds", "microseconds", "JSON", "channel"},
}


def body_and_header(name: str) -> tuple[str, str]:
    """The code of a script, and the comment above it."""
    text = files(FOLDER).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[first:]), "\n".join(lines[:first])


def test_every_file_is_loaded() -> None:
    """The folder holds the scripts and their libraries, and nothing else in Lua."""
    stored = {each.name for each in files(FOLDER).iterdir() if each.name.endswith(".lua")}
    named = {name for script in SCRIPTS for name in (script.name, script.library) if name}
    assert stored == {f"{name}.lua" for name in named}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_header_names_what_the_loader_passes(script: Script) -> None:
    """A header numbers KEYS and ARGV without a gap, gives each a type, and the code uses all of them and no others."""
    body, header = body_and_header(script.name)
    found = PARAMETER.findall(header)
    for kind, count in (("KEYS", script.keys), ("ARGV", script.arguments)):
        assert [int(number) for each, number, _ in found if each == kind] == list(range(1, count + 1))
        assert {type_ for each, _, type_ in found if each == kind} <= TYPES[kind]
    assert set(USED.findall(body)) == {(kind, number) for kind, number, _ in found}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_the_server_accepts_every_script(script: Script, redis: Redis) -> None:
    """Each script compiles on a real server."""
    assert redis.script_load(script.source)


def test_a_wrong_number_of_keys_is_refused(redis: Redis) -> None:
    """A call with too few keys or arguments raises before anything is sent."""
    with pytest.raises(ValueError, match="takes 1 keys and 2 arguments"):
        Script("recall", keys=1, arguments=2).run(redis, ["a"], ["b"])
