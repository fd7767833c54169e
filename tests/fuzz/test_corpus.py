"""What once broke a parser, and a few mutated files of each."""

from pathlib import Path

import pytest

from tests.fuzz.parsers import PARSERS, mutated, try_one

CORPUS = sorted(path for path in (Path(__file__).parent / "corpus").iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_inputs_that_broke_a_parser_do_so_no_more(path: Path, tmp_path: Path) -> None:
    """A parser answers with values, findings or an error of the tree, and with no other exception."""
    try_one(path.name.partition("-")[0], tmp_path, path.read_bytes())


@pytest.mark.parametrize("name", PARSERS)
def test_mutated_files_raise_only_errors_of_the_tree(name: str, tmp_path: Path) -> None:
    """The first seeds of `python -m tests.fuzz`, which tries many more."""
    for seed in range(100):
        try_one(name, tmp_path, mutated(name, seed))
