"""A parser that is fuzzed, and good inputs for it."""

import atexit
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from polyfactory.factories.base import BaseFactory
from polyfactory.factories.pydantic_factory import ModelFactory
from pydantic import BaseModel

from schemas.config.bars import BarsSettings
from schemas.config.file_options import FileOptions
from schemas.config.run import RunConfig
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import LabelCount, ValueSums
from schemas.contract.coverage import Rejection
from schemas.contract.errors import GurukulError
from schemas.contract.quality import Check, Finding, Verdict
from schemas.contract.window import SkipReason
from tests.fuzz.mutation import Mutate, change_bytes
from tests.strategies import training_settings

M = TypeVar("M", bound=BaseModel)

REJECTION = Rejection(
    symbol="INFY", interval="1day", source="csv:bars", fetched=datetime(2025, 1, 1, tzinfo=UTC),
    reason=SkipReason.REJECTED_DATA,
    findings=(Finding(check=Check.BAD_CELL, verdict=Verdict.REJECT, count=1, where="INFY.csv line 3", detail="x"),),
)  # fmt: skip
CONFIG = RunConfig(source="csv:bars", start_date=date(2019, 1, 1), end_date=date(2024, 1, 1))


@dataclass(frozen=True)
class Parser:
    """What reads bytes, and may answer only with values, findings or one of its `refusals`.

    `parse` gets the content and a folder for files. `good` makes inputs that it accepts.
    """

    parse: Callable[[bytes, Path], object]
    good: Callable[[], Sequence[bytes]]
    mutate: Mutate = change_bytes
    refusals: tuple[type[Exception], ...] = (GurukulError,)

    def try_one(self, content: bytes, folder: Path) -> None:
        """Parse content; any exception but a refusal is raised."""
        with suppress(*self.refusals):
            self.parse(content, folder)


def of_file(name: str, parse: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    """`parse`, which reads a file, as a parser of that file's content."""

    def write_and_parse(content: bytes, folder: Path) -> object:
        (folder / name).write_bytes(content)
        return parse(folder / name)

    return write_and_parse


def lasting_folder() -> Path:
    """A folder for what is made once, which is removed when this process ends; forks leave it."""
    held = tempfile.TemporaryDirectory(prefix="fuzzed-")
    atexit.register(held.cleanup)
    return Path(held.name)


def instances(kind: type[M], count: int = 3, **known: Any) -> list[M]:
    """Values of a schema, with random content that meets it, the same at each call; fields in `known` have that."""
    factory = _factory(kind)
    factory.seed_random(1)
    return [factory.build(**known) for _ in range(count)]


def documents(kind: type[BaseModel], count: int = 3, **known: Any) -> list[bytes]:
    """`instances` as JSON."""
    return [each.model_dump_json().encode() for each in instances(kind, count, **known)]


@lru_cache
def _factory(kind: type[M]) -> type[BaseFactory[M]]:
    # Settings, whose fields must fit each other, are not random.
    ModelFactory.add_provider(Rejection, lambda: REJECTION)
    ModelFactory.add_provider(LabelCount, lambda: LabelCount(3.0, 7.0))
    ModelFactory.add_provider(ValueSums, lambda: ValueSums(0.5, 2.0, 7.0))
    ModelFactory.add_provider(TrainingSettings, training_settings)
    ModelFactory.add_provider(FileOptions, FileOptions)
    ModelFactory.add_provider(RunConfig, lambda: CONFIG)
    ModelFactory.add_provider(BarsSettings, lambda: CONFIG.bars(None, None))
    return ModelFactory.create_factory(kind)
