"""Throws mutated inputs at each parser: `nice python -m tests.fuzz --count 30000`. What fails is kept in the corpus.

A run that is stopped goes on where it was: `--state` counts the inputs of each parser. Each batch runs in a process of
its own, so that a parser that ends its process is found, too.
"""

import argparse
import hashlib
import json
import logging
import os
import tempfile
import time
import warnings
from pathlib import Path

from schemas.files.atomic import write_atomic
from tests.fuzz.parsers import PARSERS, good, mutated

CORPUS = Path(__file__).parent / "corpus"
STATE = Path("build/fuzz.json")
BATCH = 2000
# One input may take so much of a processor's time.
LIMIT_S = 2.0
# More faults of one parser are not kept: most are the same.
MOST_KEPT = 5


def keep(name: str, content: bytes, why: str) -> None:
    """Store an input in the corpus, unless it has enough of this parser, and print why."""
    path = CORPUS / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    if len(list(CORPUS.glob(f"{name}-*"))) < MOST_KEPT:
        path.write_bytes(content)
    print(f"{path.name}: {' '.join(why.split())[:300]}", flush=True)


def batch(name: str, first: int, count: int, folder: Path) -> None:
    """Parse `count` inputs. The present one is stored, for the case that this process ends."""
    warnings.simplefilter("ignore")
    logging.disable()
    for seed in range(first, first + count):
        content = mutated(name, seed)
        (folder / "present").write_bytes(content)
        began = time.process_time()
        try:
            PARSERS[name].try_one(content, folder)
        except Exception as error:
            keep(name, content, f"{type(error).__name__}: {error}")
        if time.process_time() - began > LIMIT_S:
            keep(name, content, f"took {time.process_time() - began:.1f} s")


def next_batch(name: str, done: int, size: int) -> None:
    """Parse the inputs after the first `done` in a fork of this process, which has loaded and made what all need."""
    good(name)
    with tempfile.TemporaryDirectory() as folder:
        if not (child := os.fork()):
            batch(name, done, size, Path(folder))
            os._exit(0)
        if status := os.waitpid(child, 0)[1]:
            keep(name, (Path(folder) / "present").read_bytes(), f"ended its process with {status}")


def main() -> None:
    """Take a batch of each parser in turn, until each has had `--count` inputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parser", choices=PARSERS, action="append", help="only this one; may be given again")
    parser.add_argument("--count", type=int, default=30_000, help="inputs per parser")
    parser.add_argument("--state", type=Path, default=STATE, help="file that counts what was done")
    arguments = parser.parse_args()
    done: dict[str, int] = json.loads(arguments.state.read_bytes()) if arguments.state.is_file() else {}
    left = list(arguments.parser or PARSERS)
    while left:
        left.sort(key=lambda name: done.get(name, 0))
        name = left[0]
        size = min(BATCH, arguments.count - done.get(name, 0))
        if size <= 0:
            left.remove(name)
            continue
        next_batch(name, done.get(name, 0), size)
        done[name] = done.get(name, 0) + size
        write_atomic(arguments.state, json.dumps(done, indent=1))
    print(f"{sum(done.values()):,} inputs of {len(done)} parsers", flush=True)


if __name__ == "__main__":
    main()
