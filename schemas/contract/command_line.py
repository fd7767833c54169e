"""Command lines that messages and pages print, to be copied into a terminal."""

import shlex
from pathlib import Path

DATA_DIR = "data"


def command_line(*words: str, data_dir: str | Path = DATA_DIR) -> str:
    """Return `orchestrator` and its words, quoted for a shell, with `--data-dir` where that is not the usual folder."""
    folder = [] if str(data_dir) == DATA_DIR else ["--data-dir", str(data_dir)]
    return shlex.join(["orchestrator", *words, *folder])
