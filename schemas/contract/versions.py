"""Versions that decide an artifact's bytes beside bars and settings: this code, Python, the libraries that compute."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from schemas.contract.code_digest import code_digest

LIBRARIES = ("numpy", "pyarrow", "scikit-learn", "scipy")
XGBOOST_NAMES = ("xgboost", "xgboost-cpu", "xgboost-cu12", "xgboost-cu13")
DIGEST_CHARACTERS = 8


@cache
def artifact_versions() -> dict[str, str]:
    """Map each name to the version of what decides an artifact's bytes; computed once per process.

    `gurukul` is the package's version and the digest of its deciding code. Library versions are read from what is
    installed, so no library is imported. A host without xgboost has no such entry.
    """
    code = code_digest(Path(__file__).parents[2])[:DIGEST_CHARACTERS]
    return {
        "gurukul": f"{version('gurukul')}+{code}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        **_xgboost(),
    }


def _xgboost() -> dict[str, str]:
    """Version of XGBoost, which is published under several names; empty where none of them is installed."""
    for name in XGBOOST_NAMES:
        try:
            return {"xgboost": version(name)}
        except PackageNotFoundError:
            continue
    return {}
