"""CuPy where there is none."""

import sys
from types import ModuleType

import pytest

from tests.gpu import fake_cupy


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The fake, importable as CuPy is."""
    fakes = fake_cupy.modules()
    for name, module in fakes.items():
        monkeypatch.setitem(sys.modules, name, module)
    fake_cupy.called.clear()
    return fakes["cupy"]
