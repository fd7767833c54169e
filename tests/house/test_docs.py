"""Docs are held to the code."""

import json
import re
import runpy
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from itertools import chain
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from schemas.contract.event import EventType, TrainingEvent
from schemas.contract.extras import MODULES
from tests.documented import FENCED

ROOT = Path(__file__).parents[2]


def test_every_setting_is_documented_as_it_is() -> None:
    """`docs/settings.md` is what `docs/generate.py` writes from RunConfig today."""
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["settings_page"]()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == page


def test_the_schema_of_events_is_the_code_s() -> None:
    """`docs/training-event.schema.json` is what `docs/generate.py` writes, and leads with the original ten fields."""
    text = (ROOT / "docs" / "training-event.schema.json").read_text(encoding="utf-8")
    assert text == runpy.run_path(str(ROOT / "docs" / "generate.py"))["event_schema"]()
    original = (
        "timestamp", "run_id", "event_type", "phase", "symbol", "window_label", "status", "metrics", "message",
        "duration_seconds",
    )  # fmt: skip
    assert tuple(json.loads(text)["properties"])[:10] == original


def test_every_type_and_field_of_an_event_is_described() -> None:
    """`docs/telemetry.md` has the words of the code for each, as `docs/generate.py` writes them."""
    page = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    assert page == runpy.run_path(str(ROOT / "docs" / "generate.py"))["telemetry_page"]()
    assert all(kind.meaning for kind in EventType)
    assert all(field.description for field in TrainingEvent.model_fields.values())


def test_the_glossary_is_that_of_the_reports() -> None:
    """`docs/glossary.md` is what `docs/generate.py` writes from `orchestrator/audit/glossary.toml`."""
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["glossary_page"]()
    assert (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8") == page


def test_the_page_of_features_is_that_of_the_registry() -> None:
    """`docs/features.md` is what `docs/generate.py` writes."""
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["features_page"]()
    assert (ROOT / "docs" / "features.md").read_text(encoding="utf-8") == page


def test_the_page_of_models_is_that_of_the_table() -> None:
    """`docs/models.md` is what `docs/generate.py` writes."""
    page = runpy.run_path(str(ROOT / "docs" / "generate.py"))["models_page"]()
    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == page


def test_every_link_and_picture_of_the_docs_is_there() -> None:
    """Each relative link in a Markdown file leads to a file of the project."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", FENCED.sub("", page.read_text(encoding="utf-8"))):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_picture_is_older_than_what_it_shows() -> None:
    """Templates, styles and the live view are those from which docs/pictures.py drew the pictures."""
    stored = json.loads((ROOT / "docs" / "images" / "drawn-from.json").read_text(encoding="utf-8"))
    assert stored == runpy.run_path(str(ROOT / "docs" / "pictures.py"))["look"](), "python docs/pictures.py csv:BARS"


def test_the_lock_holds_names_and_versions_only() -> None:
    """Each line of `requirements.lock` is a name, a version and at most a marker."""
    line = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; [^#@]+)?")
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert lines
    assert all(line.fullmatch(each) for each in lines)


def test_the_lock_is_complete() -> None:
    """Base and extras, and all that they require in turn, have a line in `requirements.lock` that satisfies them."""
    lock = [Requirement(line) for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()]
    locked: dict[str, list[Requirement]] = {}
    for pin in lock:
        locked.setdefault(canonicalize_name(pin.name), []).append(pin)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [Requirement(line) for line in chain(project["dependencies"], *extras)]
    assert not [str(each) for each in wanted if not satisfied(each, locked)]
    seen: set[tuple[str, str]] = set()
    while wanted:
        each = wanted.pop()
        for extra in ("", *each.extras):
            if (canonicalize_name(each.name), extra) in seen:
                continue
            seen.add((canonicalize_name(each.name), extra))
            wanted += (found := required_by(each.name, extra))
            assert not [f"{each.name}: {one}" for one in found if not satisfied(one, locked)]
    assert len(seen) > 100  # what is installed here has been looked at


def satisfied(wanted: Requirement, locked: dict[str, list[Requirement]]) -> bool:
    """Whether a pin of this name has a version that the requirement allows."""
    pins = locked.get(canonicalize_name(wanted.name), [])
    versions = [next(iter(pin.specifier)).version for pin in pins]
    return any(wanted.specifier.contains(each, prereleases=True) for each in versions)


def required_by(name: str, extra: str) -> list[Requirement]:
    """What a package that is installed here requires on this host, with one of its extras; nothing if it is absent."""
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return []
    found = [Requirement(line) for line in lines]
    return [each for each in found if each.marker is None or each.marker.evaluate({"extra": extra})]


def test_every_drawing_of_the_method_is_drawn_from_the_code(tmp_path: Path) -> None:
    """`docs/drawings.py` draws each picture that method.md shows, and no other, with the words of the stored one."""
    drawings = runpy.run_path(str(ROOT / "docs" / "drawings.py"))
    drawings["main"].__globals__["IMAGES"] = tmp_path
    drawings["main"]()
    shown = re.findall(r"images/(method-[a-z]+\.svg)", (ROOT / "docs" / "method.md").read_text(encoding="utf-8"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(shown)
    assert len(shown) == 10
    for name in shown:
        stored = ROOT / "docs" / "images" / name
        assert words_of(tmp_path / name) == words_of(stored), f"{name} is old: python docs/drawings.py"


def words_of(drawing: Path) -> list[str]:
    """The words in an SVG file, in order."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", drawing.read_text(encoding="utf-8"))


def test_the_constraint_files_are_the_lock_s() -> None:
    """`schemas/constraints` is what `docs/generate.py` writes from `requirements.lock` today, per Python version."""
    generate = runpy.run_path(str(ROOT / "docs" / "generate.py"))
    for python in generate["PYTHONS"]:
        text = (ROOT / "schemas" / "constraints" / f"python{python}.txt").read_text(encoding="utf-8")
        assert text == generate["constraints"](python)
        assert "numpy==" in text
        assert "xgboost==" in text


def test_every_path_that_the_docs_name_is_there() -> None:
    """A module, folder or file of the project in backticks exists, so that a move cannot leave a page behind."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    text = {page: page.read_text(encoding="utf-8") for page in pages}
    recipes = {name for name in re.findall(r"^Create `([^`]+)`", text[ROOT / "CONTRIBUTING.md"], re.MULTILINE)}
    path = re.compile(r"`((?:orchestrator|workers|schemas|gurukul|tests|docs|docker|benchmarks)/[\w./-]*)`")
    named = {(page.name, name) for page, content in text.items() for name in path.findall(content)}
    missing = {(page, name) for page, name in named if name not in recipes and not (ROOT / name).exists()}
    assert not missing


def test_every_test_that_the_docs_name_is_there() -> None:
    """A `test_…` in backticks is a test or a file of tests."""
    files = list((ROOT / "tests").rglob("test_*.py"))
    known = {path.stem for path in files}
    known.update(*(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE) for path in files))
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8"))}
    assert named and not named - known


def test_every_room_is_in_the_table_of_rooms() -> None:
    """`docs/design.md` names each package below the planes and the contract, and no other."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    table = page.partition("## Rooms")[2].partition("| to change")[0]
    named = set(re.findall(r"^\| `([\w/]+)` \|", table, re.MULTILINE)) - {"gurukul", "tests"}
    planes = ("orchestrator", "schemas", "workers")
    there = {f"{plane}/{path.parent.name}" for plane in planes for path in (ROOT / plane).glob("*/__init__.py")}
    assert named == there


def test_every_extra_is_on_the_page_of_the_package() -> None:
    """`docs/package.md` has each extra of `pyproject.toml` in its table, and no other."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = re.findall(r"^\| (`[^|]+) \|", (ROOT / "docs" / "package.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for cell in table for name in re.findall(r"`([\w-]+)`", cell)} == set(project["optional-dependencies"])


def test_preflight_knows_the_modules_of_each_extra() -> None:
    """`schemas.contract.extras` lists what `pyproject.toml` requires for an extra, by the names that are imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    modules_of: dict[str, set[str]] = {}
    for module, packages in packages_distributions().items():
        for package in packages:
            modules_of.setdefault(canonicalize_name(package), set()).add(module)
    for extra in ("orchestrator", "worker", "sample", "breeze"):
        required = [canonicalize_name(Requirement(each).name) for each in extras[extra]]
        assert len(required) == len(MODULES[extra]), extra
        assert all(modules_of[name] & set(MODULES[extra]) for name in required), extra
