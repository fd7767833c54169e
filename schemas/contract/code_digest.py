"""Digest of the code that decides an artifact's bytes: comments, docstrings and help texts do not count.

Two checkouts have the same digest if the modules of `DECIDING_CODE` parse to the same syntax trees, on every
supported Python. A change of layout, a comment or a docstring does not change the digest; a changed constant, name,
message or statement does.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Code that decides the bars of a model, and the files of a window given these bars. Each entry is a folder, a
# module, or one top-level definition of a module (`module.py:name`), relative to the folder that holds the packages.
# tests/schemas/contract/test_versions.py follows the imports of the modules that train and store, and fails for one
# that is neither listed here nor excluded there with a reason.
DECIDING_CODE = (
    "schemas/config/bars.py:BarSource",
    "schemas/config/bars.py:BarsSettings",
    "schemas/config/features.py",
    "schemas/config/file_options.py",
    "schemas/config/interval.py",
    "schemas/config/model_kinds.py",
    "schemas/config/plugged_kinds.py",
    "schemas/config/training.py",
    "schemas/contract/artifact.py",
    "schemas/contract/base.py",
    "schemas/contract/coverage.py",
    "schemas/contract/quality.py",
    "schemas/contract/window.py",
    "schemas/files/atomic.py:to_json",
    "schemas/files/feature_importance.py:encode",
    "workers/artifacts",
    "workers/bars",
    "workers/devices/arrays.py",
    "workers/features",
    "workers/handlers/train.py",
    "workers/learning",
    "workers/models",
    "workers/plugins",
    "workers/scoring/log_loss.py",
)

# Parts of the folders above that do not decide bytes: the connection to a vendor's server.
TRANSPORT = (
    "workers/bars/breeze/client.py",
    "workers/bars/breeze/credentials.py",
    "workers/bars/breeze/failures.py",
    "workers/bars/sources/pace.py",
)

# Fields of a syntax tree that do not affect what it computes, or that only some Python versions have.
IGNORED_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


def code_digest(root: Path) -> str:
    """SHA-256, as hex, of the deciding code of the packages under `root`. FileNotFoundError if a part is missing."""
    digest = hashlib.sha256()
    for part in DECIDING_CODE:
        for name, tree in _trees(root, part):
            text = [name]
            write_normal(tree, text)
            digest.update("".join(text).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def deciding_files(root: Path) -> list[Path]:
    """Every module under `root` that counts, whole or in part, relative to `root`, without duplicates."""
    files = (path for part in DECIDING_CODE for path in _files(root, part.partition(":")[0]))
    return list(dict.fromkeys(files))


def _files(root: Path, part: str) -> list[Path]:
    found = [root / part] if part.endswith(".py") else sorted((root / part).rglob("*.py"))
    if not found or not found[0].is_file():
        raise FileNotFoundError(f"{root / part} is missing: it decides what artifacts hold; install the package again")
    relative = (path.relative_to(root) for path in found)
    return [path for path in relative if path.as_posix() not in TRANSPORT]


def _trees(root: Path, part: str) -> Iterator[tuple[str, ast.AST]]:
    """(name, syntax tree) of each module of `part`, or of the one definition that it names."""
    path, _, wanted = part.partition(":")
    for file in _files(root, path):
        module = ast.parse((root / file).read_bytes())
        if not wanted:
            yield file.as_posix(), module
            continue
        found = [node for node in module.body if getattr(node, "name", None) == wanted]
        if not found:
            raise FileNotFoundError(f"{root / file} defines no {wanted}, which decides what artifacts hold")
        yield part, found[0]


def write_normal(node: Any, out: list[str]) -> None:
    """Append a syntax tree to `out` as text that does not depend on the interpreter: empty fields are left out.

    `ast.dump` and `ast.unparse` write the same tree differently from one Python to the next.
    """
    if isinstance(node, list):
        out.append("[")
        for each in node:
            write_normal(each, out)
        out.append("]")
    elif isinstance(node, ast.AST):
        out.append(f"({type(node).__name__}")
        for field in node._fields:
            value = getattr(node, field, None)
            if value is None or field in IGNORED_FIELDS:
                continue
            if isinstance(value, list) and not (value := [each for each in value if not _is_text_only(each)]):
                continue
            out.append(f" {field}=")
            write_normal(value, out)
        out.append(")")
    else:
        out.append(repr(node))


def _is_text_only(node: Any) -> bool:
    """Whether a node is a docstring, or the help text of a pydantic field."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.keyword) and node.arg == "description"
