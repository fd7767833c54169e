"""The licence list: whose licences it accepts, and that it names every package that is installed in production."""

import re
import runpy

import pytest

from tests.house.sources import ROOT

PROGRAM = runpy.run_path(str(ROOT / "docs" / "licences.py"))
Package, package_of, sets_of_extras = (PROGRAM[name] for name in ("Package", "package_of", "sets_of_extras"))


@pytest.mark.parametrize(
    ("licence", "is_usual"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("BSD-3-Clause AND MIT AND (0BSD OR Zlib)", True),
        ("LGPL-3.0-or-later", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-or-later", False),
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("LicenseRef-NVIDIA-Proprietary", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_a_licence_is_usual_if_all_that_applies_is_permissive_or_weak_copyleft(licence: str, is_usual: bool) -> None:
    """Of a choice one is enough; strong copyleft, what is proprietary and what is unknown must be named."""
    assert Package("x", "1", licence).is_usual is is_usual


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"license_expression": "MIT", "license": "other"}, "MIT"),
        (
            {"classifier": ["License :: OSI Approved :: BSD License", "License :: OSI Approved :: MIT License"]},
            "BSD AND MIT",
        ),
        ({"license": "Apache License 2.0"}, "Apache-2.0"),
        ({"license": "a line\nof a whole text"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_licence_is_what_the_package_states(metadata: dict[str, object], licence: str) -> None:
    """Its expression, else all its classifiers, else one line; nothing is guessed from a text."""
    assert package_of({"name": "A.b_c", "version": "1", **metadata}) == ("a-b-c", "1", licence)


def test_images_are_the_targets_of_the_dockerfile() -> None:
    """Each has a file of its own, and no extra for work on Gurukul is in one."""
    found = sets_of_extras()
    images = {name for name in found if name.startswith("image-")}
    assert images == {"image-orchestrator", "image-cpu", "image-cuda12", "image-cuda13"}
    assert {"worker", "cuda12", "cuda12-toolkit"} <= set(found["image-cuda12"])
    assert {"extra-local", "extra-breeze"} <= found.keys() and "extra-dev" not in found


def test_each_package_of_the_list_has_a_usual_licence_or_a_reason() -> None:
    """docs/licences.md as it is stored; `make sbom` writes it from the lock."""
    rows = re.findall(r"^\| ([\w-]+) \| ([\w.]+) \| ([^|]+) \|", (ROOT / "docs/licences.md").read_text(), re.MULTILINE)
    packages = [Package(name, version, licence) for name, version, licence in rows if name != "package"]
    assert len(packages) > 80
    assert [each for each in packages if not each.is_usual and each.reason is None] == []
