"""The kinds of model as parameters of tests; one whose extra is not installed here is skipped."""

from collections.abc import Collection
from typing import Any

import pytest

from schemas.config.model_kinds import KINDS, ModelRole, kinds_of
from schemas.config.target import CLASS, Target
from schemas.contract.extras import missing_modules


def kinds(*roles: ModelRole, slow: Collection[str] = (), target: Target = CLASS) -> list[Any]:
    """One parameter per kind and role: (kind, role), or the kind alone for one role, of those that predict `target`.

    `slow` kinds are marked so.
    """
    found = ((role, name) for role in roles for name in kinds_of(role) if target in KINDS[name].targets)
    return [_parameter(name, role, len(roles) == 1, name in slow) for role, name in found]


def _parameter(name: str, role: ModelRole, alone: bool, slow: bool) -> Any:
    extra = KINDS[name].extra
    lacking = bool(extra and missing_modules([extra]))
    skip = pytest.mark.skipif(lacking, reason=f"the extra [{extra}] is not installed")
    marks = [skip, *[pytest.mark.slow] * slow]
    return pytest.param(*((name,) if alone else (name, role)), marks=marks, id=name if alone else f"{role}-{name}")
