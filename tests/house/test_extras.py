"""Each plane imports what its own extra installs, and what every installation has."""

import ast
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.sources import ROOT, below, nodes

OURS = {"gurukul", "orchestrator", "schemas", "workers"}
# Modules of packages that a named package always installs.
BROUGHT_ALONG = {
    "celery": {"kombu", "billiard"},
    "jinja2": {"markupsafe"},
    "pydantic": {"pydantic_core"},
    "scikit-learn": {"threadpoolctl"},
    "statsmodels": {"pandas"},
}


@cache
def installed(package: str) -> frozenset[str]:
    """Top-level modules of a package; none if it is not installed. To list those of all packages takes a second."""
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return frozenset()
    declared = (found.read_text("top_level.txt") or "").split()
    files = (each for each in found.files or () if each.suffix in (".py", ".so"))
    return frozenset(declared or (each.parts[0].partition(".")[0] for each in files))


def modules_of(*extras: str) -> set[str]:
    """Top-level modules that the base and these extras install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    names = {canonicalize_name(Requirement(line).name) for line in lines}
    return set().union(*(installed(name) | BROUGHT_ALONG.get(name, set()) for name in names))


def imports(folder: str) -> set[tuple[str, str]]:
    """(file, top-level module) of every import under a folder, of other packages than ours and Python's own."""
    found = set()
    for path in below(folder):
        for node in nodes(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            found |= {(path, name.partition(".")[0]) for name in names}
    return {(path, name) for path, name in found if name not in sys.stdlib_module_names | OURS}


@pytest.mark.parametrize(
    ("package", "extras"),
    [
        ("schemas", ("store",)),
        ("orchestrator", ("orchestrator", "local", "dashboard", "flower", "tune")),
        ("workers", ("worker", "cpu", "sample", "breeze", "lightgbm", "onnx", "mlflow")),
    ],
)
def test_a_plane_imports_what_its_extras_install(package: str, extras: tuple[str, ...]) -> None:
    """`make setup` leaves CUDA's modules and torch out."""
    allowed = modules_of(*extras) | ({"cupy", "cupyx", "torch"} if package == "workers" else set())
    foreign = {(path, name) for path, name in imports(package) if name not in allowed}
    assert not foreign


def test_only_what_an_extra_is_for_imports_what_it_brings() -> None:
    """A host with the extra [orchestrator] alone can run every other command."""
    allowed = modules_of("orchestrator", "local")
    own = {
        "orchestrator/dashboard/": modules_of("dashboard") | {"altair", "pandas"},
        "orchestrator/tuning/": modules_of("tune"),
        "orchestrator/broker/flower_server.py": modules_of("flower"),
    }
    for path, name in imports("orchestrator"):
        brought = next((modules for folder, modules in own.items() if path.startswith(folder)), set())
        assert name in allowed | brought, (path, name)


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("extra", ["cpu", "cuda12", "cuda13"])
def test_every_training_extra_brings_one_pinned_xgboost(extra: str, python: str) -> None:
    """On Linux each of the three installs one XGBoost on every supported Python, and its constraint file pins it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    host = {"python_version": python, "sys_platform": "linux"}
    lines = map(Requirement, project["optional-dependencies"][extra])
    (mine,) = (
        line for line in lines if line.name.startswith("xgboost") and (not line.marker or line.marker.evaluate(host))
    )
    pins = (ROOT / f"schemas/constraints/python{python}.txt").read_text(encoding="utf-8").splitlines()
    (pin,) = (Requirement(line) for line in pins if Requirement(line).name == mine.name)
    assert mine.specifier.contains(str(pin.specifier).removeprefix("=="))
