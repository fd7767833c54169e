"""The charts' JavaScript library is bundled once per user."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import vl_convert

from workers.reporting.chart_library import SNIPPET, chart_library

Bundled = list[str]


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundled]:
    """The snippets that were bundled, which are counted in the bundles; `tmp_path` is the user's cache folder."""
    snippets: Bundled = []

    def bundle(snippet: str) -> str:
        snippets.append(snippet)
        return f"// é {len(snippets)}"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    chart_library.cache_clear()
    yield snippets
    chart_library.cache_clear()


def in_a_new_process() -> str:
    """The library, as a process that has not used it gets it."""
    chart_library.cache_clear()
    return chart_library()


def test_it_is_bundled_once(bundled: Bundled, tmp_path: Path) -> None:
    """A second process takes the bytes that the first has stored."""
    assert [in_a_new_process(), in_a_new_process()] == ["// é 1", "// é 1"]
    assert bundled == [SNIPPET]
    assert [path.parent for path in tmp_path.rglob("*.js")] == [tmp_path / "gurukul"]


def test_a_damaged_file_is_bundled_again(bundled: Bundled, tmp_path: Path) -> None:
    """A file whose bytes are not those of its name is not used."""
    in_a_new_process()
    next(tmp_path.rglob("*.js")).write_text("// another script")
    assert in_a_new_process() == "// é 2"


def test_another_version_is_bundled(bundled: Bundled, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another version of vl-convert has bundled is not used."""
    in_a_new_process()
    monkeypatch.setattr("workers.reporting.chart_library.version", lambda _: "0.0")
    assert in_a_new_process() == "// é 2"


def test_without_a_cache_folder_it_is_bundled(
    bundled: Bundled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache folder that cannot be made, or no home folder at all, is no error."""
    (tmp_path / "gurukul").write_text("a file")
    assert in_a_new_process() == "// é 1"

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert in_a_new_process() == "// é 2"
