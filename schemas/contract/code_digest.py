"""Digest of the code that decides an artifact's bytes: comments, docstrings and help texts do not count.

Two checkouts have the same digest if the modules of `DECIDING_CODE` parse to the same syntax trees, on every
supported Python. A change of layout, a comment or a docstring does not change the digest; a changed constant, name,
message or statement does.
"""

import ast
import hashlib
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from schemas.config.folders import user_cache_folder

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
    "schemas/config/lookback.py",
    "schemas/config/model_kinds.py",
    "schemas/config/plugged_kinds.py",
    "schemas/config/side.py:SideChoice",
    "schemas/config/side.py:SideFile",
    "schemas/config/target.py",
    "schemas/config/training.py",
    "schemas/contract/artifact.py",
    "schemas/contract/base.py",
    "schemas/contract/coverage.py",
    "schemas/contract/quality.py",
    "schemas/contract/universe.py",
    "schemas/contract/window.py",
    "schemas/files/atomic.py:to_json",
    "schemas/files/feature_importance.py:encode",
    "schemas/files/universe.py",
    "workers/artifacts",
    "workers/bars",
    "workers/devices/arrays.py",
    "workers/features",
    "workers/handlers/train.py",
    "workers/learning",
    "workers/models",
    "workers/plugins",
    "workers/scoring/family.py",
    "workers/scoring/log_loss.py",
    "workers/side",
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

DIGEST = re.compile("[0-9a-f]{64}")


def cached_code_digest(root: Path) -> str:
    """As `code_digest`, from the user's cache folder if the same bytes were parsed before: 4 ms of CPU, not 0.2 s.

    A cached digest is the end of an empty file's name, which begins with the SHA-256 of all that decides the digest.
    """
    code = deciding_code(root)
    made_from = hashlib.sha256(sys.version.encode() + Path(__file__).read_bytes())
    for name, source in code.items():
        made_from.update(f"\n{name} {len(source)}\n".encode() + source)
    prefix = f"code-{made_from.hexdigest()}-"
    # No home folder, or one that cannot be read: the code is parsed.
    with suppress(OSError, RuntimeError):
        for path in user_cache_folder().glob(f"{prefix}*"):
            if DIGEST.fullmatch(digest := path.name.removeprefix(prefix)):
                return digest
    digest = _digest_of(code)
    with suppress(OSError, RuntimeError):
        folder = user_cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{prefix}{digest}").touch()
    return digest


def code_digest(root: Path) -> str:
    """SHA-256, as hex, of the deciding code of the packages under `root`. FileNotFoundError if a part is missing."""
    return _digest_of(deciding_code(root))


def _files(root: Path, part: str) -> list[Path]:
    found = [root / part] if part.endswith(".py") else sorted((root / part).rglob("*.py"))
    if not found or not found[0].is_file():
        raise FileNotFoundError(f"{root / part} is missing: it decides what artifacts hold; install the package again")
    relative = (path.relative_to(root) for path in found)
    return [path for path in relative if path.as_posix() not in TRANSPORT]


def deciding_code(root: Path) -> dict[str, bytes]:
    """Each entry of `DECIDING_CODE`, a folder's modules one by one, with the bytes of its module."""
    code: dict[str, bytes] = {}
    for part in DECIDING_CODE:
        path, colon, wanted = part.partition(":")
        code |= {f"{file.as_posix()}{colon}{wanted}": (root / file).read_bytes() for file in _files(root, path)}
    return code


def _digest_of(code: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, source in code.items():
        text = normal_text(source, name.partition(":")[2])
        if not text:
            raise FileNotFoundError(f"{name.replace(':', ' defines no ')}, which decides what artifacts hold")
        digest.update(f"{name}{text}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def normal_text(source: bytes, wanted: str = "") -> str:
    """A module's syntax tree as `write_normal` writes it, or that of its definition `wanted`; empty if it has none."""
    module = ast.parse(source)
    found = [node for node in module.body if getattr(node, "name", None) == wanted] if wanted else [module]
    text: list[str] = []
    for node in found[:1]:
        write_normal(node, text)
    return "".join(text)


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
