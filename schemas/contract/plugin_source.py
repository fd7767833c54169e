"""The source of plug-in files: which files belong to one, and the digest that identifies it.

A plug-in is a Python file, with the modules beside it that it imports, or an installed package. Comments, layout and
docstrings do not change its digest, and this project's own modules do not: an artifact's key has the digest of theirs.
"""

import ast
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from schemas.contract.code_digest import write_normal
from schemas.contract.errors import RequestError
from schemas.contract.plugin_packages import is_package, package_files, package_reference

# The plug-in files of a process and of the processes that it starts, separated by commas.
PLUGINS_ENV = "GURUKUL_PLUGINS"

# This project's packages and the folder that holds them: the root of a checkout, where a plug-in may be, too.
OWN_PACKAGES = frozenset({"gurukul", "orchestrator", "schemas", "workers"})
OWN_FOLDER = Path(__file__).parents[2]


def plugins_of_environment() -> tuple[str, ...]:
    """The plug-in files that this process was started with, as absolute paths."""
    return split_paths(os.environ.get(PLUGINS_ENV, ""))


def plugins_environment(paths: Iterable[str]) -> dict[str, str]:
    """The variable that gives a child process these plug-in files; they replace those of this process."""
    return {PLUGINS_ENV: ",".join(paths)}


def split_paths(text: str) -> tuple[str, ...]:
    """The plug-ins of a list that is separated by commas: absolute paths of files, and packages."""
    names = [each.strip() for each in text.split(",")]
    return tuple(package_reference(each) if is_package(each) else str(Path(each).absolute()) for each in names if each)


def plugin_paths(value: object) -> tuple[str, ...]:
    """The plug-ins of a setting: a text that commas separate, or a list of such texts."""
    return split_paths(",".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def plugin_name(path: str) -> str:
    """The name of a plug-in: its file's name without `.py`, or `package:NAME`."""
    return path if is_package(path) else Path(path).stem


def shown(name: str) -> str:
    """A plug-in's name as a user gives it."""
    return name if is_package(name) else f"{name}.py"


def plugin_digests(paths: Iterable[str]) -> dict[str, str]:
    """Map the name of each plug-in to its digest. RequestError for a file that cannot be read, or a name used twice."""
    found: dict[str, str] = {}
    for path in paths:
        name = plugin_name(path)
        if name in found:
            raise RequestError(f"two plug-ins are named {shown(name)}; rename {path}")
        found[name] = plugin_digest(path)
    return found


def plugin_digest(path: str) -> str:
    """SHA-256, as hex, of the parsed source of a plug-in and of its helpers. RequestError as for `parse`."""
    if is_package(path):
        return _digest_of({name: parse(file) for name, file in package_files(path).items()})
    return _digest_of({Path(path).name: (tree := parse(path))} | {name: each for name, _, each in _helpers(path, tree)})


def _digest_of(trees: Mapping[str, ast.Module]) -> str:
    """SHA-256, as hex, of syntax trees and their names, whatever their order."""
    text: list[str] = []
    for name in sorted(trees):
        text.append(f"{name}\n")
        write_normal(trees[name], text)
        text.append("\n")
    return hashlib.sha256("".join(text).encode("utf-8", "surrogatepass")).hexdigest()


def parse(path: str) -> ast.Module:
    """The syntax tree of a file. RequestError, with the line, if it is missing or is not Python."""
    if not path.endswith(".py"):
        raise RequestError(f"plug-in {path} is not a Python file; give a file whose name ends in .py")
    try:
        return ast.parse(Path(path).read_bytes(), path)
    except OSError as error:
        raise RequestError(f"plug-in {path} cannot be read: {error.strerror}; correct its path") from None
    except SyntaxError as error:
        where = f" line {error.lineno}" if error.lineno else ""
        raise RequestError(f"{path}{where}: {error.msg}; correct the plug-in") from None
    except ValueError as error:
        raise RequestError(f"plug-in {path} is not Python: {error}") from None


def helpers(path: str) -> dict[str, str]:
    """Modules beside a plug-in file that it imports, also through each other: each name with its file."""
    return {} if is_package(path) else {name: file for name, file, _ in _helpers(path, parse(path))}


def _helpers(path: str, tree: ast.Module) -> Iterator[tuple[str, str, ast.Module]]:
    """Name, file and syntax tree of each helper of the plug-in file that has this tree."""
    folder, found, left = Path(path).parent, {path}, [tree]
    not_helpers = OWN_PACKAGES if folder.resolve() == OWN_FOLDER.resolve() else frozenset()
    while left:
        for top in sorted({module.partition(".")[0] for module in _imported(left.pop())} - not_helpers):
            for file in (folder / f"{top}.py", *sorted((folder / top).rglob("*.py"))):
                if file.is_file() and str(file) not in found:
                    found.add(str(file))
                    left.append(parse(str(file)))
                    yield file.relative_to(folder).as_posix(), str(file), left[-1]


def _imported(tree: ast.Module) -> set[str]:
    """Names of the modules that a module imports, at whatever depth."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # A relative import of a helper package names modules of it, which are all taken.
            found |= {node.module} if node.module and not node.level else set()
    return found
