"""What once broke a parser, and a few mutated inputs of each."""

from pathlib import Path

import pytest

from tests.fuzz import models
from tests.fuzz.parsers import PARSERS, good, mutated

CORPUS = sorted(path for path in (Path(__file__).parent / "corpus").iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_inputs_that_broke_a_parser_do_so_no_more(path: Path, tmp_path: Path) -> None:
    """A parser answers with values, findings or a refusal that its caller knows, and with no other exception."""
    PARSERS[path.name.partition("-")[0]].try_one(path.read_bytes(), tmp_path)


# Libraries of models crash or hang on many inputs, so that only `python -m tests.fuzz` tries them.
@pytest.mark.parametrize("name", [name for name in PARSERS if name not in models.PARSERS])
def test_good_inputs_are_accepted_and_mutated_ones_at_most_refused(name: str, tmp_path: Path) -> None:
    """The first seeds of `python -m tests.fuzz`, which tries many more. Some good files have no row that is read."""
    for content in good(name) if name != "text" else ():
        PARSERS[name].parse(content, tmp_path)
    for seed in range(25):
        PARSERS[name].try_one(mutated(name, seed), tmp_path)
