"""What decides an artifact's bytes beside bars and settings: this code, Python, and the libraries that compute."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("numpy", "pyarrow", "scikit-learn", "scipy")
XGBOOST_NAMES = ("xgboost", "xgboost-cpu", "xgboost-cu12", "xgboost-cu13")
DIGEST_CHARACTERS = 8


@cache
def artifact_versions() -> dict[str, str]:
    """Name -> version of all that decides an artifact's bytes; `gurukul` is the package's, with its sources' digest.

    Read from what is installed, so that no library is imported. A host without xgboost has no such entry.
    """
    return {
        "gurukul": f"{version('gurukul')}+{_source_digest()}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        **_xgboost(),
    }


def _source_digest() -> str:
    """Digest of the sources of `schemas` and `workers`, which lie beside each other wherever they are installed."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for package in ("schemas", "workers") for path in (root / package).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:DIGEST_CHARACTERS]


def _xgboost() -> dict[str, str]:
    """The version of the one library that is published under several names; nothing where none is installed."""
    for name in XGBOOST_NAMES:
        try:
            return {"xgboost": version(name)}
        except PackageNotFoundError:
            continue
    return {}
