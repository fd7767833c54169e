"""Models that plug-in files define: a user's class as a type of this house, its offset, factor and file included.

The class predicts a probability on balanced rows (`balance.py`), whose logit is what the features add to the base rate,
or what they add to the historical mean of a value.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, ValidationError

from schemas.config.model_kinds import KINDS, Parameters
from schemas.config.target import CLASS, VALUE, Target
from schemas.contract.base import Frozen
from schemas.contract.errors import DataError, GurukulError
from schemas.contract.plugin_declarations import ModelDeclaration
from schemas.contract.received import first_fault
from workers.bars.series import Floats, Ints
from workers.devices.arrays import Array, to_host
from workers.models.balance import balanced
from workers.models.base import Model, Recipe, random_rows
from workers.plugins.blame import user_code
from workers.plugins.loading import LoadedPlugin, by_name, plugins_here

# Ending of the files of such models, after the kind.
PLUGGED_SUFFIX = "plugin"
# A probability is kept this far from 0 and 1 before its logit is taken.
LEAST_SHARE = 0.01
# Rows of a fit that is made twice, to compare the bytes.
PROVED_ROWS = 256
# Protocols 2 to 5 of pickle, which joblib and torch.save use too.
PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


class Head(Frozen):
    """The first line of the file: names of the inputs, factor and target; the rest is of the user's class."""

    features: tuple[str, ...] = Field(min_length=1)
    factor: float
    target: Target = Field(CLASS, exclude_if=lambda target: target == CLASS)


@dataclass(frozen=True)
class PluggedModel(Model):
    """margin = factor * logit of the probability, or the value, that the fitted instance `own` predicts.

    Without an instance the margin is 0: the rows that it would have been fitted on were of one class, or all the same.
    """

    declaration: ClassVar[ModelDeclaration]
    path: ClassVar[str]

    own: Any
    factor: float = 1.0
    target: Target = CLASS

    @classmethod
    def fit(cls, x: Array, soft: Floats, weight: Floats, offset: Floats, recipe: Recipe) -> Self:
        """Fit the user's class on balanced rows, or on values less their offset.

        DataError, with the user's line, for whatever it does wrong.
        """
        seen, y, balance = _rows_of(np.asarray(to_host(x), dtype=np.float64), soft, weight, offset, recipe.target)
        if not np.ptp(y) > 0:
            return cls(None, target=recipe.target)
        key = (cls.declaration, recipe.parameters, recipe.seed, recipe.target)
        if key not in _proved:
            some = _some_of_each(y) if recipe.target == CLASS else _spread(np.arange(len(y)), PROVED_ROWS)
            cls.prove(seen[some], y[some], balance[some], recipe)
            _proved.add(key)
        return cls(cls._fitted(seen, y, balance, recipe), target=recipe.target)

    @classmethod
    def prove(cls, x: Floats, y: Ints | Floats, weight: Floats, recipe: Recipe) -> None:
        """DataError unless two fits on these rows have equal bytes, and what is read back predicts the same."""
        names = tuple(f"feature_{column}" for column in range(x.shape[1]))
        one, other = (cls(cls._fitted(x, y, weight, recipe), target=recipe.target).encode(names) for _ in range(2))
        if one != other:
            raise DataError(
                f"{cls._subject()} is not deterministic: two fits on the same {len(x)} rows give other bytes; use the"
                " seed that fit receives for all random numbers, and encode nothing that changes by itself"
            )

    def margin(self, x: Floats) -> Floats:
        """Margin per row of `x`, shape (rows, features)."""
        if self.own is None:
            return np.zeros(len(x))
        seen = np.array(x, dtype=np.float64)
        with self._calling("predict"):
            found = np.asarray(self.own.predict(seen), dtype=np.float64)
        if found.shape != (len(x),):
            raise DataError(f"{self._subject()}: predict gave shape {found.shape}; return shape ({len(x)},)")
        if self.target == VALUE:
            if not np.all(np.isfinite(found)):
                raise DataError(f"{self._subject()}: predict gave {found[~np.isfinite(found)][0]:g}; return numbers")
            values: Floats = self.factor * found + 0.0
            return values
        if not np.all((found >= 0.0) & (found <= 1.0)):
            wrong = found[~((found >= 0.0) & (found <= 1.0))][0]
            raise DataError(f"{self._subject()}: predict gave {wrong:g}; return probabilities from 0 to 1")
        share = np.clip(found, LEAST_SHARE, 1.0 - LEAST_SHARE)
        result: Floats = self.factor * np.log(share / (1.0 - share)) + 0.0
        return result

    def scaled(self, factor: float) -> Self:
        """Model whose margin is `factor` times this one's."""
        return replace(self, factor=factor * self.factor)

    def encode(self, features: Sequence[str]) -> bytes:
        """A line of JSON, then the bytes of the user's class. DataError if they are read back as another model."""
        head = Head(features=tuple(features), factor=self.factor, target=self.target).model_dump_json().encode() + b"\n"
        if self.own is None:
            return head
        with self._calling("encode"):
            content = self.own.encode()
        if not isinstance(content, bytes) or not content:
            given = "no bytes" if content == b"" else type(content).__name__
            raise DataError(f"{self._subject()}: encode gave {given}; return bytes that hold the instance")
        if content.startswith(PICKLES):
            raise DataError(
                f"{self._subject()}: encode gave a pickle, which runs code of the file when it is read; store arrays"
                " and numbers, as JSON or by numpy.save"
            )
        x = random_rows(len(features))
        if self._decoded(content, self.target).margin(x).tobytes() != replace(self, factor=1.0).margin(x).tobytes():
            raise DataError(f"{self._subject()}: what decode reads predicts otherwise than what encode wrote")
        return head + content

    @classmethod
    def decode(cls, content: bytes) -> tuple[Self, tuple[str, ...]]:
        """Read what `encode` wrote. ValueError if it is damaged."""
        line, _, rest = content.partition(b"\n")
        try:
            head = Head.model_validate_json(line)
        except ValidationError as error:
            raise ValueError(f"its first line: {first_fault(error)}") from None
        try:
            return cls._decoded(rest, head.target).scaled(head.factor), head.features
        except GurukulError as error:
            raise ValueError(str(error)) from None

    @classmethod
    def refuse_harmful(cls, content: bytes) -> None:
        """As for every type; an error of the user's class is a ValueError here."""
        try:
            super().refuse_harmful(content)
        except GurukulError as error:
            raise ValueError(str(error)) from None

    @classmethod
    def _decoded(cls, content: bytes, target: Target) -> Self:
        if not content:
            return cls(None, target=target)
        with cls._calling("decode"):
            own = cls.declaration.own.decode(content)
        return cls(cls._instance(own, "decode"), target=target)

    @classmethod
    def _fitted(cls, x: Floats, y: Ints | Floats, weight: Floats, recipe: Recipe) -> Any:
        with cls._calling("fit"):
            # Copies: the class may change what it receives.
            own = cls.declaration.own.fit(x.copy(), y.copy(), weight.copy(), cls._parameters(recipe), recipe.seed)
        return cls._instance(own, "fit")

    @classmethod
    def _instance(cls, own: Any, method: str) -> Any:
        if not isinstance(own, cls.declaration.own):
            name = cls.declaration.own.__name__
            raise DataError(f"{cls._subject()}: {method} gave {type(own).__name__}; return an instance of {name}")
        return own

    @classmethod
    def _parameters(cls, recipe: Recipe) -> Any:
        """The parameters as the user's class declares them; None if it declares none."""
        declared = getattr(cls.declaration.own, "Parameters", None)
        return None if declared is None else declared(**recipe.parameters.model_dump())

    @classmethod
    @contextmanager
    def _calling(cls, method: str) -> Iterator[None]:
        with user_code(cls.path, f"in {method} of model {cls.kind}"):
            yield

    @classmethod
    def _subject(cls) -> str:
        return f"{cls.path}: model {cls.kind}"


def _some_of_each(y: Ints | Floats) -> Ints:
    """Positions of up to PROVED_ROWS rows, in order: as many of the rarer class as there are, up to half of them."""
    found = []
    for each in (0, 1):
        found.append(_spread(np.flatnonzero(y == each), PROVED_ROWS // 2))
    return np.sort(np.concatenate(found))


def _spread(rows: Ints, many: int) -> Ints:
    """Up to so many of the rows, at even distances."""
    result: Ints = rows[np.unique(np.linspace(0, len(rows) - 1, many, dtype=np.int64))]
    return result


def _rows_of(
    x: Floats, soft: Floats, weight: Floats, offset: Floats, target: Target
) -> tuple[Floats, Ints | Floats, Floats]:
    """Inputs, labels and weights that the user's class is fitted on."""
    if target == VALUE:
        return x, soft - offset, weight / weight.mean()
    rows, y, balance = balanced(soft, weight, offset)
    return x[rows], y, balance


# Kinds and parameters of which a small fit was made twice in this process.
_proved: set[tuple[ModelDeclaration, Parameters, int, Target]] = set()


def plugged_types() -> dict[str, type[PluggedModel]]:
    """The model types of all plug-ins of this process, by kind. RequestError for a name that is taken."""
    return _types(tuple(plugins_here().values()))


@cache
def _types(plugins: tuple[LoadedPlugin, ...]) -> dict[str, type[PluggedModel]]:
    declared = [(plugin.path, each) for plugin in plugins for each in plugin.models]
    named = by_name("model", declared, KINDS.__contains__)
    return {name: _type(each, path) for name, (path, each) in named.items()}


@lru_cache
def _type(declaration: ModelDeclaration, path: str) -> type[PluggedModel]:
    facts = {
        "kind": declaration.name,
        "file_name": f"model.{declaration.name}.{PLUGGED_SUFFIX}",
        "declaration": declaration,
        "path": path,
        "__doc__": declaration.facts.meaning,
    }
    return type(f"Plugged{declaration.name}", (PluggedModel,), facts)
