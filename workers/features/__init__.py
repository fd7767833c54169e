"""Causal features. Importing this package registers the built-in ones, in the order of the models' columns."""

import importlib

BUILT_IN = ("technical", "calendar")

for _module in BUILT_IN:
    importlib.import_module(f"{__name__}.{_module}")
