"""CONTRIBUTING.md's recipes work to the letter: each is followed in a copy of the project, and its tests are run."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEP = re.compile(
    r"^Create `(?P<new>[^`]+)`:\n\n```\w*\n(?P<content>.*?)^```$"
    r"|^In `(?P<old>[^`]+)`, replace\n\n```\w*\n(?P<before>.*?)^```\n\nwith\n\n```\w*\n(?P<after>.*?)^```$"
    r"|^Run:\n\n```\n(?P<commands>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

# The rules of the project that a recipe's files could break.
RULES = (
    "tests/house/test_docs.py::test_every_setting_is_documented_as_it_is",
    "tests/house/test_docs.py::test_the_schema_of_events_is_the_code_s",
    "tests/house/test_docs.py::test_every_type_and_field_of_an_event_is_described",
    "tests/house/test_docs.py::test_every_path_that_the_docs_name_is_there",
    "tests/house/test_docs.py::test_every_room_is_in_the_table_of_rooms",
    "tests/house/test_rooms.py",
    "tests/orchestrator/cli/test_registry.py",
    "tests/workers/models/test_registry.py",
)


@dataclass(frozen=True)
class Recipe:
    """A section of the page, and the steps in it."""

    title: str
    text: str

    def steps(self) -> list[re.Match[str]]:
        """Every file to create or change and every command, in order."""
        return list(STEP.finditer(self.text))

    def follow(self, project: Path) -> None:
        """Create and change the files; AssertionError if what is to be replaced does not stand there exactly once."""
        for step in self.steps():
            if step["new"]:
                assert not (project / step["new"]).exists(), f"{self.title}: {step['new']} exists already"
                (project / step["new"]).write_text(step["content"], encoding="utf-8")
            elif step["old"]:
                path = project / step["old"]
                text, before, after = path.read_text(encoding="utf-8"), step["before"], step["after"]
                found = text.count(before)
                assert found == 1, f"{self.title}: {step['old']} holds this {found} times, not once: {before}"
                path.write_text(text.replace(before, after), encoding="utf-8")

    def commands(self) -> list[str]:
        """The lines to type."""
        return [line for step in self.steps() if step["commands"] for line in step["commands"].splitlines()]


def recipes() -> list[Recipe]:
    """Every recipe of the page."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Recipes")[2]
    sections = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    return [Recipe(section.splitlines()[0], section) for section in sections]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which all recipes have been followed."""
    project = tmp_path_factory.mktemp("recipes") / "gurukul"
    for name in ("gurukul", "orchestrator", "schemas", "workers", "tests", "benchmarks", "docs"):
        shutil.copytree(ROOT / name, project / name)  # with bytecode, as all times of change are kept
    for name in ("pyproject.toml", "requirements.lock", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, project / name)
    for name in ("docker", "Procfile", "Makefile", "LICENSE", "CHANGELOG.md"):
        (project / name).symlink_to(ROOT / name)
    for recipe in recipes():
        recipe.follow(project)
    return project


def run(project: Path, *command: str) -> None:
    """Run a command in the copy, with its modules; fails the test with all that was printed unless it exits with 0."""
    environment = os.environ | {"PYTHONPATH": str(project)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]


def test_there_is_a_recipe_for_every_seam() -> None:
    """Each names files, a test of its own, and a command."""
    titles = {recipe.title for recipe in recipes()}
    assert titles == {"A feature", "A label", "A gate", "A bar source", "A model type", "A command", "An event"}
    for recipe in recipes():
        created = [step["new"] for step in recipe.steps() if step["new"]]
        assert any(name.startswith("tests/") for name in created), recipe.title
        assert recipe.commands(), recipe.title


@pytest.mark.slow
def test_the_recipes_work_together_and_their_tests_pass(followed: Path) -> None:
    """All commands that generate something, each once, then all test files that the recipes create, in one process."""
    for line in dict.fromkeys(line for recipe in recipes() for line in recipe.commands()):
        if "-m pytest" not in line:
            run(followed, *line.replace(".venv/bin/python", sys.executable).split())
    created = [step["new"] for recipe in recipes() for step in recipe.steps() if step["new"]]
    tests = [name for name in created if name.startswith("tests/")]
    flags = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    run(followed, sys.executable, "-m", "pytest", *flags, *tests, *RULES)


def test_the_code_of_the_recipes_is_as_clean_as_the_project(followed: Path) -> None:
    """Each can be followed to the letter; lint, which finds names that are not there, and format have no remark."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    changed = [step["new"] or step["old"] for recipe in recipes() for step in recipe.steps() if not step["commands"]]
    files = sorted({name for name in changed if name.endswith(".py")})
    run(followed, ruff, "check", "--no-cache", *files)
    run(followed, ruff, "format", "--no-cache", "--check", *files)
