"""The source of plug-in files: which files belong to one, and the digest that identifies it.

A plug-in is a Python file. The modules beside it that it imports belong to it. Comments, layout and docstrings do not
change its digest.
"""

import ast
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas.contract.code_digest import write_normal
from schemas.contract.errors import RequestError

# The plug-in files of a process and of the processes that it starts, separated by commas.
PLUGINS_ENV = "GURUKUL_PLUGINS"


def plugins_of_environment() -> tuple[str, ...]:
    """The plug-in files that this process was started with, as absolute paths."""
    return split_paths(os.environ.get(PLUGINS_ENV, ""))


def plugins_environment(paths: Iterable[str]) -> dict[str, str]:
    """The variable that gives a child process these plug-in files; they replace those of this process."""
    return {PLUGINS_ENV: ",".join(paths)}


def split_paths(text: str) -> tuple[str, ...]:
    """The absolute paths of a list that is separated by commas."""
    return tuple(str(Path(each.strip()).absolute()) for each in text.split(",") if each.strip())


def plugin_paths(value: object) -> tuple[str, ...]:
    """The plug-ins of a setting: a text that commas separate, or a list of such texts."""
    return split_paths(",".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def plugin_name(path: str) -> str:
    """The name of a plug-in: its file's name without `.py`."""
    return Path(path).stem


def plugin_digests(paths: Iterable[str]) -> dict[str, str]:
    """Map the name of each plug-in to its digest. RequestError for a file that cannot be read, or a name used twice."""
    found: dict[str, str] = {}
    for path in paths:
        name = plugin_name(path)
        if name in found:
            raise RequestError(f"two plug-ins are named {name}.py; rename {path}")
        found[name] = plugin_digest(path)
    return found


def plugin_digest(path: str) -> str:
    """SHA-256, as hex, of the parsed source of a plug-in file and of its helpers. RequestError as for `parse`."""
    return _digest_of({Path(path).name: parse(path), **{name: parse(file) for name, file in helpers(path).items()}})


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
        raise RequestError(f"plug-in {path} cannot be read: {error.strerror}; check --plugins") from None
    except SyntaxError as error:
        where = f" line {error.lineno}" if error.lineno else ""
        raise RequestError(f"{path}{where}: {error.msg}; correct the plug-in") from None
    except ValueError as error:
        raise RequestError(f"plug-in {path} is not Python: {error}") from None


def helpers(path: str) -> dict[str, str]:
    """Modules beside a plug-in that it imports, also through each other: each name with its file."""
    folder, found, left = Path(path).parent, dict[str, str](), [path]
    while left:
        for module in _imported(parse(left.pop())):
            top = module.partition(".")[0]
            for file in (folder / f"{top}.py", *sorted((folder / top).rglob("*.py"))):
                name = file.relative_to(folder).as_posix()
                if file.is_file() and name not in found and str(file) != path:
                    found[name] = str(file)
                    left.append(str(file))
    return found


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
