"""Loads the plug-in files of this process, each once, and gives what they declare."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from schemas.contract.errors import RequestError
from schemas.contract.plugin_declarations import (
    Declaration,
    FeatureDeclaration,
    GateDeclaration,
    LabelDeclaration,
    ModelDeclaration,
    SourceDeclaration,
    take_declarations,
)
from schemas.contract.plugin_packages import entry_modules, is_package
from schemas.contract.plugin_source import (
    PLUGINS_ENV,
    helpers,
    plugin_digests,
    plugins_environment,
    plugins_of_environment,
    shown,
)
from workers.plugins.blame import blamed
from workers.plugins.call_note import noted
from workers.plugins.printing import printing

PACKAGE_OF_FILES = "gurukul_plugins"

D = TypeVar("D", bound=Declaration)


@dataclass(frozen=True)
class LoadedPlugin:
    """A plug-in file that this process has run: its name, path and digest, and what it declared, in order."""

    name: str
    path: str
    sha256: str
    declared: tuple[Declaration, ...]

    @property
    def features(self) -> tuple[FeatureDeclaration, ...]:
        """The features that it declared."""
        return tuple(each for each in self.declared if isinstance(each, FeatureDeclaration))

    @property
    def labels(self) -> tuple[LabelDeclaration, ...]:
        """The labels that it declared."""
        return tuple(each for each in self.declared if isinstance(each, LabelDeclaration))

    @property
    def models(self) -> tuple[ModelDeclaration, ...]:
        """The kinds of model that it declared."""
        return tuple(each for each in self.declared if isinstance(each, ModelDeclaration))

    @property
    def gates(self) -> tuple[GateDeclaration, ...]:
        """The gates that it declared."""
        return tuple(each for each in self.declared if isinstance(each, GateDeclaration))

    @property
    def sources(self) -> tuple[SourceDeclaration, ...]:
        """The sources of bars that it declared."""
        return tuple(each for each in self.declared if isinstance(each, SourceDeclaration))


def plugins_here() -> dict[str, LoadedPlugin]:
    """The plug-ins of this process by name, loaded at the first call. RequestError for one that cannot be loaded."""
    return _loaded(plugins_of_environment())


def by_name(
    noun: str, declared: Iterable[tuple[str, D]], is_built_in: Callable[[str], bool]
) -> dict[str, tuple[str, D]]:
    """Paths of plug-ins with their declarations, by name. RequestError for a name that cannot be used."""
    found: dict[str, tuple[str, D]] = {}
    for path, each in declared:
        refused = f"{path}: {noun} {each.name!r}"
        if not each.name.isidentifier():
            raise RequestError(f"{refused}: use letters, digits and _ only")
        if is_built_in(each.name):
            raise RequestError(f"{refused} has the name of a built-in one; give name=")
        if each.name in found:
            raise RequestError(f"{refused} is defined twice, also in {found[each.name][0]}; give name=")
        found[each.name] = path, each
    return found


def use_plugins(paths: Iterable[str]) -> None:
    """Without plug-ins of its own, this process takes those of a run that is recorded on this host."""
    if not plugins_of_environment():
        os.environ.update(plugins_environment(paths))


@contextmanager
def using_plugins(paths: Iterable[str]) -> Iterator[None]:
    """Inside, the plug-ins of this process are these files."""
    before = os.environ.get(PLUGINS_ENV)
    os.environ.update(plugins_environment(paths))
    try:
        yield
    finally:
        if before is None:
            del os.environ[PLUGINS_ENV]
        else:
            os.environ[PLUGINS_ENV] = before


@cache
def _loaded(paths: tuple[str, ...]) -> dict[str, LoadedPlugin]:
    digests = plugin_digests(paths)  # in order; refuses a name that is used twice
    return {name: _load(path, name, sha256) for path, (name, sha256) in zip(paths, digests.items(), strict=True)}


def refuse_other_plugins(digests: Mapping[str, str]) -> None:
    """RequestError unless the plug-ins of this process include a run's, each name with its digest."""
    for name, sha256 in digests.items():
        here = plugins_here().get(name)
        if here is None:
            raise RequestError(
                f"the run needs the plug-in {shown(name)}, which this process was not given; give --plugins"
            )
        if here.sha256 != sha256:
            raise RequestError(
                f"the run was made with another {shown(name)} than {here.path}; give --plugins what it began with, or"
                " train again"
            )


def _load(path: str, name: str, sha256: str) -> LoadedPlugin:
    """Load a plug-in into this process. RequestError, with its line, for whatever it raises, and if it exits.

    What it prints goes to standard error.
    """
    take_declarations()
    what = "while it was imported"
    with printing(), noted(path, what), blamed(path, what, RequestError):
        if is_package(path):
            for module in entry_modules(path):
                importlib.import_module(module)
        else:
            _run(path, name)
    _refuse_other_helpers(path)
    declared = take_declarations()
    if not declared:
        raise RequestError(
            f"{path} defines nothing; mark a function with @gurukul.feature(warmup=...), @gurukul.label(horizon=...),"
            " @gurukul.gate('QUESTION') or @gurukul.source(symbols=...), or a class with @gurukul.model('teacher',"
            " 'student')"
        )
    return LoadedPlugin(name, path, sha256, declared)


def _run(path: str, name: str) -> None:
    """Run a plug-in file. Modules beside it can be imported; those that are installed come first."""
    folder = str(Path(path).parent)
    if folder not in sys.path:
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(f"{PACKAGE_OF_FILES}.{name}", path)
    assert spec is not None and spec.loader is not None  # its digest vouches for a Python file
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def _refuse_other_helpers(path: str) -> None:
    """RequestError if a module beside the plug-in was meant, and another module of that name was imported."""
    for name, file in helpers(path).items():
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        loaded = getattr(sys.modules.get(module), "__file__", None)
        if loaded is not None and os.path.realpath(loaded) != os.path.realpath(file):
            raise RequestError(f"{path} imports {module}, which is {loaded} here and not {file}; rename that file")
