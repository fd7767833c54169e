"""Installed packages as plug-ins, with a real one that is built and installed into a folder of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.runs.plugins import ask_about
from schemas.contract.errors import RequestError
from schemas.contract.plugin_packages import package_files
from schemas.contract.plugin_source import plugin_digest, split_paths

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "demo_Ideas"
version = "1.0"
[project.entry-points."gurukul.features"]
gap = "demo_ideas.gaps"
[project.entry-points."other.group"]
never = "demo_ideas.never"
[tool.setuptools]
packages = ["demo_ideas"]
"""
GAPS = """
import gurukul as gk
from demo_ideas.helper import BARS

@gk.feature(warmup=60)
def gap_to_high(bars):
    return bars["close"] / bars["high"].rolling(BARS).max() - 1
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed into."""
    project, target = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("target")
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "demo_ideas").mkdir()
    for name, text in {"__init__": "", "gaps": GAPS, "helper": "BARS = 60\n", "never": "1 / 0\n"}.items():
        (project / "demo_ideas" / f"{name}.py").write_text(text)
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "-q", "--offline", "--no-build-isolation", "--no-deps",
         "--python", sys.executable, "--target", str(target), str(project)],
        check=True,
    )  # fmt: skip
    return target


@pytest.fixture(autouse=True)
def on_the_path(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process and those that it starts can import the package."""
    monkeypatch.syspath_prepend(str(installed))
    monkeypatch.setenv("PYTHONPATH", str(installed))
    package_files.cache_clear()


def test_a_named_package_is_a_plug_in() -> None:
    """Its entry point's module is imported in the child, and none that is of another group; its features are listed."""
    (name,) = split_paths("package:Demo.Ideas")
    report = ask_about(("gap_to_high",), (name,))
    assert name == "package:demo-ideas" and report.columns == ("gap_to_high",)
    assert [(each.name, each.sha256) for each in report.plugins] == [(name, plugin_digest(name))]


def test_the_source_identifies_a_package_and_not_its_version(installed: Path) -> None:
    """A constant in another module of the package moves the digest, a comment does not; the version is the same."""
    helper, before = installed / "demo_ideas" / "helper.py", plugin_digest("package:demo-ideas")
    found = []
    for text in ("BARS = 60  # a quarter\n", "BARS = 61\n"):
        helper.write_text(text)
        found.append(plugin_digest("package:demo-ideas"))
    helper.write_text("BARS = 60\n")
    assert found[0] == before != found[1]


def test_a_fault_of_a_package_is_named_with_its_line(installed: Path) -> None:
    """As that of a file."""
    helper = installed / "demo_ideas" / "helper.py"
    helper.write_text("\nBARS = 1 / 0\n")
    with pytest.raises(RequestError, match=r"demo_ideas/helper.py line 2: ZeroDivisionError"):
        ask_about((), ("package:demo-ideas",))
    helper.write_text("BARS = 60\n")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("package:absent-ideas", "no package absent-ideas is installed here; install it, or give a file"),
        ("package:", "no package  is installed here"),
        ("package:pytest", "has no entry point of gurukul.features, gurukul.labels, gurukul.models"),
    ],
)
def test_what_is_no_plug_in_is_refused(name: str, words: str) -> None:
    """A package that is absent, or offers nothing, names what to do."""
    with pytest.raises(RequestError, match=words):
        plugin_digest(name)
