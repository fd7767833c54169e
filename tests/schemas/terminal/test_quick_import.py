"""What a program imports, and what it can still import later."""

import gc
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType

import pytest

from schemas.contract.plugin_source import PLUGINS_ENV
from schemas.terminal.quick_import import quick_import
from workers.models import xgboost


def test_an_unused_package_is_absent_inside_and_available_after() -> None:
    """Inside, the package is as if not installed and nothing is collected; afterwards both are as before."""
    sys.modules.pop("this", None)
    with quick_import("this"):
        assert not gc.isenabled()
        with pytest.raises(ImportError):
            __import__("this")
    assert gc.isenabled()
    assert "this" not in sys.modules


def test_what_was_imported_counts_as_old() -> None:
    """The first collection afterwards walks none of the objects that were created inside."""
    with quick_import():
        created: list[list[None]] = [[] for _ in range(2_000)]
    young = {id(each) for generation in (0, 1) for each in gc.get_objects(generation)}
    assert not young & {id(each) for each in created}


def test_a_loaded_package_stays() -> None:
    """What this process already uses is not refused."""
    with quick_import("gc"):
        assert __import__("gc") is gc
    assert sys.modules["gc"] is gc


def test_the_collector_is_as_before_after_a_failed_import() -> None:
    """A failed import ends with collection on and nothing refused; one that was off stays off."""
    with pytest.raises(ImportError), quick_import("this"):
        import this  # noqa: F401
    assert gc.isenabled() and "this" not in sys.modules
    gc.disable()
    try:
        with quick_import():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


TRAINS = """
import sys
import workers.artifacts.writer
from tests.workers.learning.test_window import trained
trained()
print(sorted({"sklearn", "pandas", "joblib"} & set(sys.modules)))
"""


def test_a_child_that_trains_loads_what_it_uses() -> None:
    """Not XGBoost's estimators and the packages below them: 50 MB and 0.25 s of CPU."""
    result = subprocess.run([sys.executable, "-c", TRAINS], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_users_code_may_use_xgboosts_estimators(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in or a notebook: without scikit-learn at its import, they raise for as long as the process lives."""
    refused: list[tuple[str, ...]] = []

    def noted(*unused: str) -> AbstractContextManager[None]:
        refused.append(unused)
        return nullcontext()

    monkeypatch.setattr(xgboost, "quick_import", noted)
    monkeypatch.delitem(sys.modules, "gurukul", raising=False)
    xgboost.library()
    monkeypatch.setitem(sys.modules, "gurukul", ModuleType("gurukul"))
    xgboost.library()
    monkeypatch.delitem(sys.modules, "gurukul")
    monkeypatch.setenv(PLUGINS_ENV, "idea.py")
    xgboost.library()
    assert refused == [("sklearn", "pandas"), (), ()]
