"""The product's modules as syntax trees, parsed once per process."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "workers", "schemas", "gurukul", "benchmarks")


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax tree of every module of the product by its path from the root."""
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@cache
def nodes(path: str) -> tuple[ast.AST, ...]:
    """Every node of a module's tree."""
    return tuple(ast.walk(modules()[path]))


def below(folder: str) -> Iterator[str]:
    """Paths of the modules below a folder."""
    return (path for path in modules() if path.startswith(f"{folder}/"))
