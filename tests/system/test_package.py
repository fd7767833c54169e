"""The wheel and the sdist hold the required files and no other."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
PACKAGES = ("gurukul", "orchestrator", "schemas", "workers")
PARTS = (*PACKAGES, "tests", "docs", "docker", "benchmarks", ".ci")
IGNORED = shutil.ignore_patterns(
    "__pycache__", "*.pyc", ".git", ".venv", "*.egg-info", "build", "data", "release", "logs"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of a copy of this tree, and the wheel that was built from that sdist."""
    copy, out = tmp_path_factory.mktemp("package") / "source", tmp_path_factory.mktemp("dist")
    copy.mkdir()
    for each in ROOT.iterdir():
        if each.is_file():
            shutil.copy(each, copy / each.name)
        elif each.name in PARTS:
            shutil.copytree(each, copy / each.name, ignore=IGNORED)
    command = [sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


def files_of(packages: tuple[str, ...]) -> set[str]:
    """Every file of these packages in the working tree, except what Python caches."""
    found = (path for name in packages for path in (ROOT / name).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(built: Path) -> None:
    """Templates, styles, scripts, constraints and py.typed included; no tests, benchmarks or docs."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == files_of(PACKAGES)


def test_the_sdist_holds_docs_docker_and_tests(built: Path) -> None:
    """The documentation and the image can be built from the sdist, and its tests run."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert files_of((*PACKAGES, "docs", "docker")) <= names
    wanted = {"tests/conftest.py", "Makefile", "Procfile", "requirements.lock", "README.md", "CHANGELOG.md"}
    assert wanted <= names


def test_the_package_page_renders_without_files_of_the_project(built: Path) -> None:
    """It has no picture and no relative link, which a package index could not show."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith("METADATA"))).decode()
    page = Parser().parsestr(metadata)
    assert page["Description-Content-Type"] == "text/markdown"
    assert "](" not in page.get_payload()
    assert {"orchestrator", "worker", "cpu"} <= set(page.get_all("Provides-Extra", []))


def test_check_wheel_contents_finds_nothing(built: Path) -> None:
    """Its settings are in pyproject.toml."""
    check("check-wheel-contents", "--config", str(ROOT / "pyproject.toml"), str(next(built.glob("*.whl"))))


def test_pyroma_gives_nine_of_ten(built: Path) -> None:
    """The missing point is a project URL: the project has none to name."""
    check("pyroma", "--min", "9", str(next(built.glob("*.tar.gz"))))


def check(program: str, *arguments: str) -> None:
    """Run a checker of packages; fails the test with all that it printed unless it exits with 0."""
    result = subprocess.run([SCRIPTS / program, *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_image_is_built_from_all_that_the_package_needs() -> None:
    """`.dockerignore` lets through the packages and every file that pyproject.toml names."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "*" in lines
    wanted = {*PACKAGES, "pyproject.toml", "requirements.lock", project["readme"], *project["license-files"]}
    assert wanted <= {line.removeprefix("!") for line in lines if line.startswith("!")}
