"""The gates, one module each. Importing this package imports every module in it, which registers its gate."""

import importlib
import pkgutil

from workers.judging.gates.registry import JUDGES

__all__ = ["JUDGES"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
