"""Good inputs with a few changes: of bytes, of the values of a JSON document, or of one line of many."""

import json
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

Mutate = Callable[[random.Random, Sequence[bytes]], bytes]

TOKENS = (
    b"\x00", b'"', b"\n", b"\r", b",", b"\t", b";", b"\xef\xbb\xbf", b"\xff\xfe", b"nan", b"1e999", b"-", b"9" * 40,
    b"Date",    b"2023-02-30", b"0", b"'", b"\xe2\x82\xac", b"=", b"[", b"symbol", b"%", b"99999999999", b"-1", b"\\",
)  # fmt: skip

# More digits than Python converts, numbers that no column of SQLite and no clock holds, and hostile texts.
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.1, -0.0, 1e308, float("inf"), float("nan"),
    "", "\0", "\ud800", "\n", "=cmd()", "<script>", "[/bold]", "[bold", "../../x", "/", " ", "2023-02-30",
    "9" * 5000, "a" * 5000, "r/teacher/x/" + "9" * 5000, "9999-12-31", "0001-01-01",
    "9999-12-31T23:59:59.999999-14:00", "0001-01-01T00:00:00+14:00", [], {}, [[]], [None], {"": None},
)  # fmt: skip
DEEP = 3000


def change_bytes(rng: random.Random, good: Sequence[bytes]) -> bytes:
    """One of `good` with bytes changed, removed, repeated, or replaced by tokens."""
    data = bytearray(rng.choice(good))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[place % len(data)] = rng.randrange(256)
        elif kind == 1:
            del data[place : place + rng.randrange(1, 40)]
        elif kind == 2:
            data[place:place] = rng.choice(TOKENS)
        elif kind == 3:
            begin = rng.randrange(len(data) + 1)
            data[place:place] = data[begin : begin + rng.randrange(1, 60)]
        elif kind == 4:
            other = rng.choice(good)
            data[place:] = other[rng.randrange(len(other)) :]
        else:
            token = rng.choice(TOKENS)
            data[place : place + len(token)] = token
    return bytes(data)


def change_json(rng: random.Random, good: Sequence[bytes]) -> bytes:
    """One of `good` with values, names or parts of the document changed; one in eight has bytes changed instead."""
    if rng.random() < 0.125:
        return change_bytes(rng, good)
    try:
        document = json.loads(rng.choice(good))
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            document = changed(rng, document)
        text = json.dumps(document)
    except (ValueError, RecursionError):  # a line that was changed before
        return change_bytes(rng, good)
    if rng.random() < 0.02:
        text = text.replace("null", "[" * DEEP + "]" * DEEP, 1) if "null" in text else "[" * DEEP + text + "]" * DEEP
    return text.encode()


def change_line(rng: random.Random, good: Sequence[bytes]) -> bytes:
    """One of `good`, which have a JSON document per line, with some lines changed, repeated or moved."""
    lines = rng.choice(good).splitlines()
    for _ in range(rng.choice((1, 1, 2, 4)) if lines else 0):
        place = rng.randrange(len(lines))
        if rng.random() < 0.2:
            lines.insert(rng.randrange(len(lines)), lines[place])
        else:
            lines[place] = change_json(rng, [lines[place]]).replace(b"\n", b"")
    return b"\n".join(lines) + (b"\n" if rng.random() < 0.9 else b"")


def changed(rng: random.Random, document: Any) -> Any:
    """A document with one node replaced, removed, renamed, repeated, or exchanged for another node of it."""
    places = list(_places(document))
    if not places:
        return deepcopy(rng.choice(VALUES))
    holder, name = rng.choice(places)
    kind = rng.randrange(8)
    if kind == 0:
        del holder[name]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice(("", "x", "seq", "sha256", "../x", str(name) + " "))] = holder.pop(name)
    elif kind == 2:
        other, place = rng.choice(places)
        holder[name] = json.loads(json.dumps(other[place]))
    elif kind == 3 and isinstance(holder, list):
        holder.extend(holder[:3] * rng.choice((1, 2, 50)))
    elif kind == 4 and isinstance(holder[name], str) and holder[name]:
        text = holder[name]
        place = rng.randrange(len(text))
        holder[name] = text[:place] + rng.choice(("", "\0", "/", "é", " ", "-", "9")) + text[place + 1 :]
    elif kind == 5 and isinstance(holder[name], int | float):
        holder[name] = rng.choice((-holder[name], holder[name] * 10**9, holder[name] + 1, str(holder[name])))
    else:
        holder[name] = deepcopy(rng.choice(VALUES))
    return document


def _places(node: Any) -> Any:
    """Each value of a document: what holds it, and its name or number there."""
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else ()
    for name, value in items:
        yield node, name
        yield from _places(value)
