"""The versions that decide an artifact's bytes, the same in both planes."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import scipy
import sklearn
import xgboost

from schemas.config.sources import SOURCES
from schemas.contract.code_digest import DECIDING_CODE, cached_code_digest, code_digest, deciding_code, normal_text
from schemas.contract.versions import artifact_versions

ROOT = Path(__file__).parents[3]
CODE = (
    "import json, sys; from schemas.contract.versions import artifact_versions; print(json.dumps(artifact_versions()))"
)


@cache
def project_digest() -> str:
    """The digest of this project's code, which an unchanged copy has, too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("schemas.contract.code_digest.normal_text", normalised)
        return code_digest(ROOT)


parsed = cache(ast.parse)
normalised = cache(normal_text)


def test_versions_are_those_of_what_computes() -> None:
    """Each library's version equals the library's own `__version__`, though none is imported."""
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


# Modules that training or ingestion imports and whose code decides no byte of an artifact.
EXCLUDED = {
    "schemas.config.folders": "default folders of logs and releases",
    "schemas.config.costs": "charges of the judged strategies; a label's cost is in the settings",
    "schemas.config.judgement": "gates, which read artifacts",
    "schemas.config.run": "settings of a run; those that decide bytes are in schemas.config.training and bars",
    "schemas.config.sources": "names the class that reads a source; that class counts",
    "schemas.config.universe": "the path of a file; the digest of its content is a setting of training",
    "schemas.contract.code_digest": "computes the digest",
    "schemas.contract.device": "names devices; XGBoost's device is in the stored parameters",
    "schemas.contract.child_process": "command lines and environments of child processes",
    "schemas.contract.command_line": "commands that messages name",
    "schemas.contract.errors": "error classes",
    "schemas.contract.folders": "which folders a worker may use",
    "schemas.contract.presence": "what workers publish of themselves",
    "schemas.contract.plan": "keeps the windows of a run; those of a task are in its artifacts",
    "schemas.contract.wrong_value": "words of errors",
    "schemas.contract.tracking_address": "the address of a server that stores judged runs",
    "schemas.contract.model_declarations": "marks classes of plug-ins, whose digest is in the settings",
    "schemas.contract.plugin_declarations": "marks functions of plug-ins, whose digest is in the settings",
    "schemas.contract.feature_check": "what an analysis of a plug-in found; it refuses, and makes nothing",
    "schemas.contract.plugin_packages": "finds the source of packages, whose digest is in the settings",
    "schemas.contract.plugin_source": "computes the digest of plug-ins",
    "schemas.contract.received": "parses what other processes send",
    "schemas.contract.broker_address": "where the broker is",
    "schemas.contract.extras": "names modules that are not installed",
    "schemas.contract.identifiers": "accepts or refuses symbols and run ids",
    "schemas.contract.instant": "accepts or refuses times",
    "schemas.contract.store_address": "where the store is",
    "schemas.contract.task": "messages between the planes; an artifact's inputs are in its key",
    "schemas.contract.versions": "computes the versions",
    "schemas.files.belonging": "refuses artifacts of other inputs, and makes none",
    "schemas.files.bounded": "refuses files that are too large",
    "schemas.files.layout": "names of files, which are part of what an artifact's metadata holds",
    "schemas.files.locks": "locks between processes",
    "schemas.files.modes": "access modes of files, not what they hold",
    "schemas.files.text": "reads the text of lists and of settings",
    "schemas.files.run_files": "reads and writes models whose form is decided by the contract and to_json",
    "schemas.files.run_paths": "where the files of a run are, which no artifact holds",
    "schemas.store.mirror": "brings copies of stored files, whose digests their readers compare",
    "schemas.store.object_store": "transport to the store",
    "schemas.store.store_meter": "counts the use of the store",
    "schemas.store.parts": "cuts large files into parts and joins them unchanged",
    "schemas.store.together": "calls a function several times at once",
    "schemas.files.free_space": "what is free on a disk",
    "schemas.contract.check": "how checks of a host are reported",
    "schemas.store.packing": "packs the files of an artifact and returns them unchanged",
    "workers.bars.breeze.client": "transport to a vendor",
    "workers.bars.breeze.credentials": "transport to a vendor",
    "schemas.contract.side": "describes files of side data for people",
    "workers.bars.breeze.failures": "transport to a vendor",
    "workers.devices.nvml": "reads the state of GPUs",
    "workers.devices.pinning": "pins processes to devices",
    "schemas.terminal.quick_import": "leaves unused packages out of an import",
    "workers.handlers.task_result": "hands results to the orchestrator",
}
READERS = [kind.reader.partition(":")[0] for kind in SOURCES.values()]
TRAINING = ("workers.handlers.train", "workers.bars.ingestion", "workers.side.reading", *READERS)


def module_path(module: str) -> Path | None:
    """The file of a module of this project, relative to the root; None for any other module."""
    folder = Path(*module.split("."))
    found = (each for each in (folder.with_suffix(".py"), folder / "__init__.py") if (ROOT / each).is_file())
    return next(found, None)


def imports_of(module: str) -> set[str]:
    """Modules of this project that a module imports anywhere in its code."""
    path = module_path(module)
    assert path is not None
    names: set[str] = set()
    for node in ast.walk(parsed((ROOT / path).read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] in ("schemas", "workers") and module_path(name)}


def import_closure(modules: Iterable[str]) -> set[str]:
    """The modules and everything of this project that they import, directly or not."""
    found: set[str] = set()
    waiting = set(modules)
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= imports_of(module) - found
    return found


def is_empty(path: Path) -> bool:
    """Whether a module holds nothing but a docstring."""
    return all(isinstance(node, ast.Expr) for node in parsed((ROOT / path).read_bytes()).body)


def deciding_files(root: Path) -> set[Path]:
    """Every module under `root` that counts, whole or in part, relative to `root`."""
    return {Path(name.partition(":")[0]) for name in deciding_code(root)}


def test_all_code_that_training_imports_counts_or_is_excluded_with_a_reason() -> None:
    """A module that training or ingestion imports is part of the digest or excluded; no listed module is unused."""
    counted = deciding_files(ROOT)
    paths = {module: path for module in import_closure(TRAINING) if (path := module_path(module)) is not None}
    missing = {module for module, path in paths.items() if path not in counted and not is_empty(path)}
    assert not missing - EXCLUDED.keys()
    listed = {Path(part.partition(":")[0]) for part in DECIDING_CODE if ".py" in part}
    assert listed <= set(paths.values())


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of both packages, which a test may edit; text that was parsed before is not parsed again."""
    for package in ("schemas", "workers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("schemas.contract.code_digest.normal_text", normalised)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    """Replace the one occurrence of `old`."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_comments_docstrings_and_layout_do_not_move_the_version(copies: Path) -> None:
    """Every deciding module without its comments, printed again and with another docstring, has the same digest."""
    for relative in deciding_files(copies):
        tree = ast.parse((copies / relative).read_bytes())
        tree.body.insert(0, ast.parse("'Another docstring.'").body[0])
        (copies / relative).write_text("# A comment.\n" + ast.unparse(tree))
    assert code_digest(copies) == project_digest()


def test_code_that_decides_no_byte_does_not_move_the_version(copies: Path) -> None:
    """Texts of the command line, of the supervisor and of the judges, and a field's help, do not change the digest."""
    edit(copies / "workers" / "cli.py", "Start one worker process", "Run one worker process")
    edit(
        copies / "schemas" / "config" / "bars.py",
        '"Folder of log files; ',
        '"Where logs are; ',
    )
    for module in ("workers/devices/supervisor.py", "workers/handlers/execute.py", "workers/judging/validation.py"):
        (copies / module).write_text((copies / module).read_text() + "\nFRESH = 1\n")
    (copies / "workers" / "reporting" / "fresh.py").write_text("FRESH = 1\n")
    assert code_digest(copies) == project_digest()


CHANGES = [
    (
        "workers/features/indicators.py",
        'n: int = 14) -> Array:\n    """Wilder\'s relative',
        'n: int = 15) -> Array:\n    """',
    ),
    ("workers/learning/labels.py", "SIGMA_SPAN = 20", "SIGMA_SPAN = 21"),
    ("workers/models/logistic.py", "INTERCEPT_RIDGE = 1e-6", "INTERCEPT_RIDGE = 1e-7"),
    ("schemas/config/model_kinds.py", "100.0, description", "101.0, description"),
    ("workers/artifacts/writer.py", "compression_level=1", "compression_level=2"),
    ("schemas/config/training.py", "2.0 * self.slippage_bps", "1.0 * self.slippage_bps"),
    ("schemas/contract/window.py", "WARMUP_BARS = 150", "WARMUP_BARS = 151"),
    ("schemas/files/atomic.py", "json.dumps(value, indent=2", "json.dumps(value, indent=3"),
]


@pytest.mark.parametrize(("module", "old", "new"), CHANGES, ids=[module for module, _, _ in CHANGES])
def test_a_changed_constant_moves_the_version(copies: Path, module: str, old: str, new: str) -> None:
    """Another constant in a deciding module is another digest."""
    edit(copies / module, old, new)
    assert code_digest(copies) != project_digest()


def test_the_version_is_of_the_code_that_runs(copies: Path) -> None:
    """A process that imports changed packages has their digest in the version of `gurukul`; nothing else differs."""
    edit(copies / "workers/learning/labels.py", "SIGMA_SPAN = 20", "SIGMA_SPAN = 21")
    result = subprocess.run([sys.executable, "-c", CODE], cwd=copies, capture_output=True, text=True, check=True)
    found, own = json.loads(result.stdout), artifact_versions()
    assert own["gurukul"].endswith(f"+{project_digest()[:8]}")
    assert found == own | {"gurukul": f"{version('gurukul')}+{code_digest(copies)[:8]}"} != own


def test_a_new_module_moves_the_version(copies: Path) -> None:
    """A module that is added to a deciding folder counts at once."""
    (copies / "workers" / "features" / "fresh.py").write_text("FRESH = 1\n")
    assert code_digest(copies) != project_digest()


@pytest.mark.parametrize("listed", ["workers/features", "workers/scoring/log_loss.py"])
def test_missing_code_is_an_error(copies: Path, listed: str) -> None:
    """A folder or module that is listed and not installed is named in an error; it is not skipped."""
    assert listed in DECIDING_CODE
    path = copies / listed
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=listed):
        code_digest(copies)


def test_a_missing_definition_is_an_error(copies: Path) -> None:
    """A definition that is listed and is no longer in its module is named."""
    edit(copies / "schemas" / "files" / "atomic.py", "def to_json(", "def as_json(")
    with pytest.raises(FileNotFoundError, match="defines no to_json"):
        code_digest(copies)


def test_a_fields_help_text_does_not_count(copies: Path) -> None:
    """Another help text of a setting leaves the digest; another default moves it."""
    settings = copies / "schemas" / "config" / "training.py"
    edit(settings, 'description="Bars from a decision', 'description="The number of bars from a decision')
    assert code_digest(copies) == project_digest()
    edit(settings, "= Field(42, description=", "= Field(43, description=")
    assert code_digest(copies) != project_digest()


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, which does not exist; and a package of one deciding module below `tmp_path`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("schemas.contract.code_digest.DECIDING_CODE", ("module.py",))
    (tmp_path / "module.py").write_text("DAYS = 1  # a comment\n")
    return tmp_path / "cache" / "gurukul"


def test_code_is_parsed_once_per_user(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes have the digest that was cached, unparsed; edited bytes are parsed, also if only a comment is."""
    first = cached_code_digest(tmp_path)
    assert first == code_digest(tmp_path)
    with monkeypatch.context() as patched:
        patched.delattr("schemas.contract.code_digest.normal_text")
        assert cached_code_digest(tmp_path) == first
        with pytest.raises(NameError):
            code_digest(tmp_path)
    (tmp_path / "module.py").write_text("DAYS = 2  # a comment\n")
    second = cached_code_digest(tmp_path)
    assert second == code_digest(tmp_path) != first
    (tmp_path / "module.py").write_text("DAYS = 2  # another\n")
    assert cached_code_digest(tmp_path) == second
    assert len(list(cached.iterdir())) == 3


def test_a_cache_that_cannot_be_used_costs_time_only(cached: Path, tmp_path: Path) -> None:
    """Without a folder, or with names in it that are no digest, the digest is computed."""
    cached.parent.write_text("a file")
    digest = cached_code_digest(tmp_path)
    assert digest == code_digest(tmp_path)
    cached.parent.unlink()
    cached_code_digest(tmp_path)
    (entry,) = cached.iterdir()
    entry.rename(entry.with_name(entry.name[:-1]))
    assert cached_code_digest(tmp_path) == digest
    assert entry.exists()
