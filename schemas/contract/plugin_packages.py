"""Installed packages as plug-ins: `package:NAME` stands for what the distribution NAME offers by entry points.

Only packages that a user names are looked at. The source of the whole package that an entry point leads to is its
identity, not the version, which an editable installation does not change.
"""

import importlib.util
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from schemas.contract.errors import RequestError

PACKAGE = "package:"
GROUPS = ("gurukul.features", "gurukul.labels", "gurukul.models", "gurukul.gates", "gurukul.sources")


def is_package(plugin: str) -> bool:
    """Whether a plug-in is an installed package and not a file."""
    return plugin.startswith(PACKAGE)


def package_reference(plugin: str) -> str:
    """The one spelling of a package: lower case, with `-` between words, as PyPI has it."""
    return PACKAGE + re.sub(r"[-_.]+", "-", plugin.removeprefix(PACKAGE).strip()).lower()


def entry_modules(plugin: str) -> tuple[str, ...]:
    """Names of the modules that a package's entry points lead to. RequestError if it is absent, or offers nothing."""
    name = plugin.removeprefix(PACKAGE)
    try:
        points = distribution(name).entry_points
    except (PackageNotFoundError, ValueError):
        raise RequestError(
            f"--plugins {plugin}: no package {name} is installed here; install it, or give a file"
        ) from None
    modules = dict.fromkeys(each.module for each in points if each.group in GROUPS)
    if not modules:
        raise RequestError(f"--plugins {plugin}: the package has no entry point of {', '.join(GROUPS)}")
    return tuple(modules)


@cache
def package_files(plugin: str) -> dict[str, str]:
    """The Python files of the top-level packages of its entry points, by their path below the folder of packages.

    Nothing is imported. RequestError for a package without source files.
    """
    found: dict[str, str] = {}
    for module in entry_modules(plugin):
        top = module.partition(".")[0]
        spec = importlib.util.find_spec(top)
        if spec is not None and spec.submodule_search_locations:
            for folder in map(Path, spec.submodule_search_locations):
                found |= {
                    f"{top}/{path.relative_to(folder).as_posix()}": str(path) for path in sorted(folder.rglob("*.py"))
                }
        elif spec is not None and spec.origin and spec.origin.endswith(".py"):
            found[f"{top}.py"] = spec.origin
        else:
            raise RequestError(
                f"--plugins {plugin}: its module {top} has no source file here; install it with its source"
            )
    return found
