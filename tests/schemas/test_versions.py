"""The versions that decide an artifact's bytes, as both planes see them."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy
import sklearn
import xgboost

from schemas.contract.versions import artifact_versions

ROOT = Path(__file__).parents[2]
CODE = (
    "import json, sys; from schemas.contract.versions import artifact_versions; print(json.dumps(artifact_versions()))"
)


def versions_of(root: Path) -> dict[str, str]:
    """What a fresh process says that imports the packages from `root`."""
    result = subprocess.run([sys.executable, "-c", CODE], cwd=root, capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(result.stdout)
    return versions


def test_versions_are_those_of_what_computes() -> None:
    """Each library's version is what it says of itself, though none is imported to ask."""
    libraries = {
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
        "scikit-learn": sklearn.__version__,
        "scipy": scipy.__version__,
        "xgboost": xgboost.__version__,
    }
    python = "{}.{}.{}".format(*sys.version_info)
    found = artifact_versions()
    assert found == libraries | {"python": python, "gurukul": found["gurukul"]}
    assert found["gurukul"].startswith(f"{version('gurukul')}+")


def test_the_codes_version_is_that_of_its_sources(tmp_path: Path) -> None:
    """Equal sources have one version wherever they lie; a changed, moved or new file of either package another."""
    for package in ("schemas", "workers"):
        shutil.copytree(ROOT / package, tmp_path / "here" / package, ignore=shutil.ignore_patterns("__pycache__"))
    root = shutil.copytree(tmp_path / "here", tmp_path / "there")
    seen = [versions_of(root)]
    assert versions_of(tmp_path / "here") == seen[0]
    labels = root / "workers" / "learning" / "labels.py"
    labels.write_text(labels.read_text().swapcase())
    seen.append(versions_of(root))
    (root / "schemas" / "fresh.py").write_text("")
    seen.append(versions_of(root))
    (root / "schemas" / "fresh.py").rename(root / "workers" / "fresh.py")
    seen.append(versions_of(root))
    assert len({each["gurukul"] for each in seen}) == len(seen)
    assert len({json.dumps(each | {"gurukul": ""}) for each in seen}) == 1
