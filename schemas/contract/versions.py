"""Versions that decide an artifact's bytes beside bars and settings: this code, Python, the libraries that compute."""

import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from schemas.contract.code_digest import cached_code_digest

LIBRARIES = ("numpy", "pyarrow", "scikit-learn", "scipy")
XGBOOST_NAMES = ("xgboost", "xgboost-cpu", "xgboost-cu12", "xgboost-cu13")
DIGEST_CHARACTERS = 8


@cache
def artifact_versions(*optional: str) -> dict[str, str]:
    """Map each name to version, for all code and libraries that decide an artifact's bytes; computed once per process.

    `optional` are packages that only some kinds of model need.

    `gurukul` is the package's version and the digest of its deciding code. Library versions are read from what is
    installed, so no library is imported. A host without the workers' libraries has no entry for them.
    """
    code = cached_code_digest(Path(__file__).parents[2])[:DIGEST_CHARACTERS]
    return {
        "gurukul": f"{version('gurukul')}+{code}",
        "python": platform.python_version(),
        **installed_versions(*LIBRARIES),
        **_xgboost(),
        **installed_versions(*optional),
    }


def _xgboost() -> dict[str, str]:
    """Version of XGBoost, which is published under several names; empty where none of them is installed."""
    found = list(installed_versions(*XGBOOST_NAMES).values())
    return {"xgboost": found[0]} if found else {}


def installed_versions(*names: str) -> dict[str, str]:
    """Map each of the packages that is installed to its version."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
