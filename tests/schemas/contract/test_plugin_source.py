"""Digests of plug-in files."""

from pathlib import Path

import pytest

from schemas.contract import plugin_source
from schemas.contract.errors import RequestError
from schemas.contract.plugin_source import helpers, plugin_digest, plugin_digests

SOURCE = "import helper\n\ndef f(x):\n    return helper.g(x) + 1\n"


def written(folder: Path, **files: str) -> str:
    """Write files of these names and contents; the path of ideas.py."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return str(folder / "ideas.py")


def test_only_what_is_computed_counts(tmp_path: Path) -> None:
    """Comments, layout and docstrings keep the digest; a constant changes it, also in a module that it imports."""
    ideas = written(tmp_path, ideas=SOURCE, helper="def g(x):\n    return x\n", other="A = 1\n")
    first = plugin_digest(ideas)
    written(tmp_path, ideas=f'"""Ideas."""\n# why\n{SOURCE}\n', helper="def g(x): return x  # so\n", other="A = 2\n")
    assert plugin_digest(ideas) == first
    written(tmp_path, ideas=SOURCE.replace("+ 1", "+ 2"))
    second = plugin_digest(ideas)
    written(tmp_path, ideas=SOURCE, helper="def g(x):\n    return -x\n")
    assert len({first, second, plugin_digest(ideas)}) == 3


def test_a_copy_elsewhere_is_the_same_plug_in(tmp_path: Path) -> None:
    """The digest names no folder: two hosts may keep the file in different ones."""
    found = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        found.append(plugin_digest(written(folder, ideas=SOURCE, helper="def g(x): return x")))
    assert found[0] == found[1]


def test_the_checkout_around_a_plug_in_is_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the root of a checkout `import gurukul` is no helper: the plug-in has the digest that it has elsewhere.

    The first tutorial writes its file there. All 550 modules were parsed for each digest, and `resume` and `deploy`
    refused a run after any change of the project.
    """
    (package := tmp_path / "gurukul").mkdir()
    (package / "__init__.py").write_text("import helper")
    text = "import gurukul, helper"
    ideas = written(tmp_path, ideas=text, helper="A = 1")
    assert set(helpers(ideas)) == {"helper.py", "gurukul/__init__.py"}
    monkeypatch.setattr(plugin_source, "OWN_FOLDER", tmp_path)
    assert set(helpers(ideas)) == {"helper.py"}
    (elsewhere := tmp_path / "elsewhere").mkdir()
    assert plugin_digest(ideas) == plugin_digest(written(elsewhere, ideas=text, helper="A = 1"))
    root = Path(plugin_source.__file__).parents[2]
    assert {each.name for each in root.iterdir() if (each / "__init__.py").is_file()} >= plugin_source.OWN_PACKAGES


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "cannot be read: No such file"), ("def f(:\n", "ideas.py line 1: "), ("a = '\0'", "null bytes")],
)
def test_a_file_that_is_not_python_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    """Missing, a syntax error, a null byte: each error names the file."""
    if text is not None:
        written(tmp_path, ideas=text)
    with pytest.raises(RequestError, match=words):
        plugin_digest(str(tmp_path / "ideas.py"))


def test_names_are_unique(tmp_path: Path) -> None:
    """Two files of one name could not be distinguished in a heartbeat."""
    (tmp_path / "more").mkdir()
    paths = [written(tmp_path, ideas="A = 1"), written(tmp_path / "more", ideas="A = 1")]
    with pytest.raises(RequestError, match=r"two plug-ins are named ideas\.py"):
        plugin_digests(paths)
