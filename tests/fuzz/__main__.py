"""Throws mutated files at each parser: `nice python -m tests.fuzz --count 100000`. What fails is kept in the corpus.

Each batch runs in a process of its own, so that a parser that ends its process is found, too.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.parsers import PARSERS, mutated, try_one

CORPUS = Path(__file__).parent / "corpus"
BATCH = 5000
# One input may take this long.
LIMIT_S = 5.0


def keep(name: str, content: bytes, why: str) -> None:
    """Store an input in the corpus and print why."""
    path = CORPUS / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    path.write_bytes(content)
    print(f"{path.name}: {why}", flush=True)


def batch(name: str, first: int, count: int, folder: Path) -> None:
    """Parse `count` inputs. The current seed is stored, for the case that this process ends."""
    for seed in range(first, first + count):
        content = mutated(name, seed)
        (folder / "seed").write_text(str(seed))
        began = time.perf_counter()
        try:
            try_one(name, folder, content)
        except Exception as error:
            keep(name, content, f"{type(error).__name__}: {error}")
        if time.perf_counter() - began > LIMIT_S:
            keep(name, content, f"took {time.perf_counter() - began:.1f} s")


def main() -> None:
    """Run the batches of each parser and print how many inputs per second it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parser", choices=PARSERS, help="only this one")
    parser.add_argument("--count", type=int, default=100_000, help="inputs per parser")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--folder", type=Path, help="run one batch in this folder")
    arguments = parser.parse_args()
    if arguments.folder:
        batch(arguments.parser, arguments.first, arguments.count, arguments.folder)
        return
    for name in [arguments.parser] if arguments.parser else PARSERS:
        began = time.perf_counter()
        for first in range(arguments.first, arguments.first + arguments.count, BATCH):
            with tempfile.TemporaryDirectory() as folder:
                size = min(BATCH, arguments.first + arguments.count - first)
                command = ["--parser", name, "--first", str(first), "--count", str(size), "--folder", folder]
                ended = subprocess.run([sys.executable, "-m", "tests.fuzz", *command], check=False)
                if ended.returncode:
                    seed = int((Path(folder) / "seed").read_text())
                    keep(name, mutated(name, seed), f"ended its process with {ended.returncode}")
        seconds = time.perf_counter() - began
        print(f"{name}: {arguments.count} inputs in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
