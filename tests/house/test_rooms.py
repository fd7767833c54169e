"""Who may import whom per room, and how large a room's parts may be.

The lists of known exceptions are strict: an entry that is no longer true fails the test and is removed.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.house.sources import PACKAGES, ROOT, modules, nodes

LONGEST_MODULE, LONGEST_FUNCTION = 400, 60

# Rooms of each package from the lowest layer to the highest. A room imports rooms of lower layers, never of its own
# layer or a higher one. Modules directly below a package are its highest layer.
LAYERS = {
    "schemas": (("constraints", "contract"), ("config", "terminal"), ("files", "redis"), ("store",)),
    "orchestrator": (
        ("broker", "events", "planning"),
        ("ledger", "terminal"),
        ("audit", "dispatch", "exporter", "store"),
        ("bars",),
        ("phases",),
        ("runs",),
        ("releases", "tuning"),
        ("dashboard",),
        ("cli",),
    ),
    "workers": (
        ("devices", "plugins"),
        ("bars",),
        ("side",),
        ("features", "models", "scoring"),
        ("judging", "learning", "serving"),
        ("artifacts", "reporting"),
        ("handlers",),
        ("celery", "inspection"),
        ("export",),
    ),
}

# Packages that a package may import besides itself.
PACKAGES_BELOW = {
    "schemas": set(),
    "orchestrator": {"schemas"},
    "workers": {"schemas"},
    "gurukul": {"schemas", "orchestrator", "workers"},
    "benchmarks": {"schemas", "orchestrator", "workers"},
}

KNOWN_UPWARD: set[tuple[str, str]] = {
    # A task carries settings, and settings are made of the contract's types.
    ("schemas.contract", "schemas.config"),
}
KNOWN_LONG_MODULES: set[str] = set()
KNOWN_LONG_FUNCTIONS: set[str] = set()
KNOWN_UNDOCUMENTED: set[str] = set()

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def room_of(parts: tuple[str, ...]) -> str:
    """`package.room` of a module's parts; the package alone for what is directly below it."""
    is_room = len(parts) > 1 and (ROOT / parts[0] / parts[1]).is_dir()
    return ".".join(parts[:2]) if is_room else parts[0]


def imported(path: str) -> Iterator[tuple[str, ...]]:
    """Parts of each module that a module imports, at whatever depth."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                parts = (*node.module.split("."), alias.name)
                yield parts if (ROOT / Path(*parts)).is_dir() else parts[:-1]


@cache
def arrows() -> set[tuple[str, str]]:
    """(importing room, imported room) of all imports between rooms of the product."""
    found = set()
    for path in modules():
        source = room_of(Path(path).with_suffix("").parts)
        found |= {(source, room_of(parts)) for parts in imported(path) if parts[0] in PACKAGES}
    return {(source, target) for source, target in found if source != target}


def layer_of(room: str) -> int:
    """Height of a room within its package."""
    package, _, name = room.partition(".")
    layers = LAYERS[package]
    if not name:
        return len(layers)
    return next(height for height, names in enumerate(layers) if name in names)


def test_every_room_has_its_layer() -> None:
    """The table names the rooms that exist, each once."""
    for package, layers in LAYERS.items():
        found = {path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").is_file()}
        named = [name for layer in layers for name in layer]
        assert sorted(named) == sorted(found), package


def test_packages_import_only_what_is_below_them() -> None:
    """Orchestrator and workers never import each other, schemas imports neither, none imports the public API."""
    wrong = {
        (source, target)
        for source, target in arrows()
        if (ours := source.split(".")[0]) != (theirs := target.split(".")[0]) and theirs not in PACKAGES_BELOW[ours]
    }
    assert not wrong


def test_rooms_import_only_lower_rooms() -> None:
    """Within a package imports lead down the layers, so that no two rooms need each other."""
    upward = {
        (source, target)
        for source, target in arrows()
        if (package := source.split(".")[0]) == target.split(".")[0]
        and package in LAYERS
        and layer_of(target) >= layer_of(source)
    }
    assert upward == KNOWN_UPWARD


def test_no_module_is_long() -> None:
    """A module over 400 lines has more than one subject."""
    sizes = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {path for path, size in sizes.items() if size > LONGEST_MODULE} == KNOWN_LONG_MODULES


def test_no_function_is_long() -> None:
    """A function has at most 60 lines, docstring and comments included."""
    long = {
        f"{path} {node.name}"
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    }
    assert long == KNOWN_LONG_FUNCTIONS


def public(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public functions, classes and methods of a module or class, by dotted name."""
    for each in node.body:
        if isinstance(each, Definition) and not each.name.startswith("_"):
            yield prefix + each.name, each
            if isinstance(each, ast.ClassDef):
                yield from public(each, f"{prefix}{each.name}.")


def test_every_public_name_is_documented() -> None:
    """Each module, and each public function, class and method, has a docstring."""
    missing = set()
    for path, tree in modules().items():
        if tree.body and ast.get_docstring(tree) is None:
            missing.add(path)
        missing |= {f"{path} {name}" for name, node in public(tree) if ast.get_docstring(node) is None}
    assert missing == KNOWN_UNDOCUMENTED
