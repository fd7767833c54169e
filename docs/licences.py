"""Write what each image and each further extra installs: a CycloneDX file each, and the licence list docs/licences.md.

Run: make sbom. Names and versions come from requirements.lock, for Linux on x86-64 and the images' Python; licences are
those that the packages state about themselves on the index. It fails if a licence is unknown, or is neither permissive
nor one of the weak copyleft ones, and the package is not named in NAMED below.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
SBOMS, LIST = ROOT / "build" / "sbom", ROOT / "docs" / "licences.md"
# Of the images' base.
PYTHON = "3.12"
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(34, 4, -1)]
PLATFORMS += [f"manylinux{name}_x86_64" for name in ("2014", "2010", "1")]
# Extras for work on Gurukul, which production does not install.
FOR_WORK_ON_GURUKUL = {"bench", "dev", "docs", "sbom"}

PERMISSIVE = re.compile(
    r"MIT|MIT-0|BSD|[023]-Clause|0BSD|BSD-[23]-Clause|Apache(-2\.0)?|ISC|PSF-2\.0|CNRI-Python|Zlib|HPND|Unlicense|CC0-1\.0|NCSA|BSL-1\.0"
)
WEAK_COPYLEFT = re.compile(r"MPL-2\.0|LGPL-[23]\.[01](-only|-or-later)?")
EXCEPTION = re.compile(r" WITH [\w.-]+")
# What packages write that is no SPDX identifier.
SAME_AS = {
    "MIT License": "MIT", "BSD License": "BSD", "BSD": "BSD", "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0", "ISC License (ISCL)": "ISC", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "3-Clause BSD License": "BSD-3-Clause", "The Unlicense (Unlicense)": "Unlicense",
}  # fmt: skip
# Packages whose licence is none of these, and why they may be used.
NAMED = {
    "nvidia-*": "NVIDIA's proprietary licence of CUDA's libraries, no copyleft; read it before you pass an image on",
    "cuda-toolkit": "states no licence; a package without files that requires NVIDIA's libraries",
}
INTRODUCTION = """# Licences

Gurukul is under the MIT licence. This page lists what its images (`docker/Dockerfile`) and its other extras install
from PyPI on Linux and Python {python}, with the licence that each package states; `make sbom` writes it anew. The
images' base adds packages of Ubuntu or Debian, whose licences are in `/usr/share/doc/*/copyright`.

All licences are permissive, or weak copyleft (LGPL, MPL: changes of that package itself are published), but for:

{unusual}

"""


class Package(NamedTuple):
    """A package that an image installs, with the licence that it states."""

    name: str
    version: str
    licence: str

    @property
    def is_usual(self) -> bool:
        """Whether every licence that applies is permissive or weak copyleft; of a choice, whether one is."""
        return _is_usual(EXCEPTION.sub("", self.licence))

    @property
    def reason(self) -> str | None:
        """Why it may be used although its licence is not a usual one; None if NAMED does not state it."""
        found = (why for name, why in NAMED.items() if fnmatch(self.name, name))
        return next(found, None)


def _is_usual(expression: str) -> bool:
    inner = expression.replace("(", " ").replace(")", " ")
    every = [part for part in re.split(r" AND ", inner) if part.strip()]
    return bool(every) and all(
        any(
            PERMISSIVE.fullmatch(one.strip()) or WEAK_COPYLEFT.fullmatch(one.strip()) for one in re.split(r" OR ", part)
        )
        for part in every
    )


def sets_of_extras() -> dict[str, list[str]]:
    """Extras by image, as the Dockerfile installs them, and each extra that no image has."""
    text = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    images = re.findall(r'AS ([\w-]+)-build\nRUN .*"\.\[([\w,-]+)\$EXTRAS\]"', text)
    found = {f"image-{name}": extras.split(",") for name, extras in images}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rest = project["optional-dependencies"].keys() - {each for extras in found.values() for each in extras}
    return found | {f"extra-{each}": [each] for each in sorted(rest - FOR_WORK_ON_GURUKUL)}


def pinned(extras: list[str]) -> list[str]:
    """NAME==VERSION of all that these extras install on the images' platform, from requirements.lock."""
    words = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
    words += ["--no-annotate", "--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_34"]
    words += [word for extra in extras for word in ("--extra", extra)]
    return _output([*words, "--constraint", "requirements.lock", "pyproject.toml"]).splitlines()


def described(pins: list[str]) -> list[dict[str, Any]]:
    """The metadata of these packages, of which no more is fetched where the index allows that."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--ignore-installed"]
        words += ["--use-feature=fast-deps", "--only-binary", ":all:", "--python-version", PYTHON, "--target", folder]
        words += [word for each in PLATFORMS for word in ("--platform", each)]
        report = Path(folder) / "report.json"
        _output([*words, "--report", str(report), *pins])
        return [each["metadata"] for each in json.loads(report.read_text())["install"]]


def package_of(metadata: dict[str, Any]) -> Package:
    """A package with its SPDX expression, else what its classifiers or its field License state, else `unknown`."""
    stated = metadata.get("license_expression") or ""
    if not stated:
        classifiers = [
            each.split(" :: ")[-1] for each in metadata.get("classifier", ()) if each.startswith("License ::")
        ]
        lines = (metadata.get("license") or "").strip().splitlines()
        # A file's whole text may stand in the field.
        short = lines[0] if len(lines) == 1 and len(lines[0]) < 60 else ""
        named = [SAME_AS.get(each, each) for each in classifiers] or [SAME_AS.get(short, short)]
        # Classifiers do not state whether one may be chosen: all count.
        stated = " AND ".join(dict.fromkeys(each for each in named if each)) or "unknown"
    name = re.sub(r"[-_.]+", "-", metadata["name"]).lower()
    return Package(name, metadata["version"], stated)


def write_sbom(file: Path, packages: list[Package]) -> None:
    """Write the packages as a CycloneDX 1.6 document."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    make = LicenseFactory().make_from_string
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bom = Bom()
    bom.metadata.component = Component(
        name=f"gurukul-{file.name.partition('.')[0]}", version=project["version"], type=ComponentType.APPLICATION,
        licenses=[make(project["license"])],
    )  # fmt: skip
    for each in packages:
        url = PackageURL("pypi", None, each.name, each.version)
        bom.components.add(
            Component(name=each.name, version=each.version, purl=url, bom_ref=str(url), licenses=[make(each.licence)])
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    JsonV1Dot6(bom).output_to_file(str(file), allow_overwrite=True, indent=2)


def page(found: dict[str, list[Package]]) -> str:
    """The licence list as a page: each package once, with the images and extras that install it."""
    users: dict[Package, list[str]] = {}
    for name, packages in found.items():
        for each in packages:
            users.setdefault(each, []).append(name.removeprefix("image-").replace("extra-", "extra "))
    rows = [
        f"| {each.name} | {each.version} | {each.licence} | {', '.join(names)} |"
        for each, names in sorted(users.items())
    ]
    unusual = [
        f"- {', '.join(names)}: {why}."
        for why in NAMED.values()
        if (names := sorted({each.name for each in users if not each.is_usual and each.reason == why}))
    ]
    lines = ["| package | version | licence | in |", "|---|---|---|---|", *rows]
    return INTRODUCTION.format(python=PYTHON, unusual="\n".join(unusual)) + "\n".join(lines) + "\n"


def _output(words: list[str]) -> str:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words[:5])} failed:\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Write both, then name each package whose licence is neither usual nor explained in NAMED."""
    SBOMS.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Package]] = {}
    known: dict[str, Package] = {}
    for name, extras in sets_of_extras().items():
        pins = pinned(extras)
        if new := [each for each in pins if each not in known]:
            known |= {f"{each.name}=={each.version}": each for each in map(package_of, described(new))}
        found[name] = [known[each] for each in pins]
        write_sbom(SBOMS / f"{name}.cdx.json", found[name])
        print(f"{SBOMS.relative_to(ROOT)}/{name}.cdx.json: {len(pins)} packages")
    LIST.write_text(page(found), encoding="utf-8")
    open_ = sorted(each for each in set(known.values()) if not each.is_usual and each.reason is None)
    if open_:
        lines = "\n".join(f"  {each.name} {each.version}: {each.licence}" for each in open_)
        raise SystemExit(f"not permissive, weak copyleft or named in {Path(__file__).name}:\n{lines}")


if __name__ == "__main__":
    main()
