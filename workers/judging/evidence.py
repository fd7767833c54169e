"""The evidence that every gate receives: a validated run's rows, bars and settings, checked against their digests."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from schemas.config.judgement import GateSettings
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import PhaseError
from schemas.contract.judgement import Validation
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, read_model
from workers.bars.series import Floats, Ints, Series
from workers.judging.book import Book, Decisions, keep_book
from workers.judging.predictions import Predictions, load_rows
from workers.judging.validation import ScoringInputs, bars_of, strategies, terms_of
from workers.scoring.family import FAMILIES, Family
from workers.scoring.log_loss import daily_means


@dataclass(frozen=True)
class Evidence:
    """One run to be judged; `release_dir` holds the deployed releases."""

    layout: RunLayout
    manifest: RunManifest
    validation: Validation
    predictions: Predictions
    release_dir: Path

    @property
    def settings(self) -> GateSettings:
        """Bounds of the gates, as this run sets them."""
        return self.manifest.config.gates

    @property
    def seed(self) -> int:
        """Seed of every random draw of the judgement."""
        return self.manifest.config.seed

    @property
    def training(self) -> TrainingSettings:
        """Settings that the run's models were trained with."""
        return self.manifest.config.training()

    @property
    def min_block_days(self) -> int:
        """Minimum block of a bootstrap, in days: the number of days over which labels overlap."""
        return self.validation.overlap_days

    @cached_property
    def bars(self) -> dict[str, Series]:
        """Stored bars of each scored symbol; DataError if they are not those that the run was trained on."""
        return bars_of(self.layout, self.manifest, self.predictions)[0]

    @cached_property
    def decisions(self) -> dict[str, Decisions]:
        """The decisions of each strategy, by its name."""
        return strategies(self._judged)

    def book(self, strategy: str = "student", *, cost_factor: float = 1.0, delay_bars: int = 0) -> Book:
        """Return a strategy's book, as validated or under stress (see `keep_book`)."""
        return keep_book(
            self.predictions, self.bars, self.decisions[strategy], self._judged.terms, cost_factor=cost_factor,
            delay_bars=delay_bars,
        )  # fmt: skip

    def daily_loss(self, model: str) -> tuple[Ints, Floats]:
        """Return the scored days and, for each, the mean loss of a model over its rows."""
        return daily_means(self.predictions.day, self.losses(model))

    def losses(self, model: str) -> Floats:
        """The loss of each row's prediction by a model."""
        p: Floats = getattr(self.predictions, model)
        return self.family.losses(self.predictions.y, p)

    @property
    def family(self) -> Family:
        """The family of the labels."""
        return FAMILIES[self.validation.target]

    @property
    def inputs(self) -> dict[str, str]:
        """SHA-256 of each file that every gate reads, by its path in the run's folder."""
        return {self.layout.validation.name: sha256_of(self.layout.validation)} | self.validation.sha256

    @cached_property
    def _judged(self) -> ScoringInputs:
        return ScoringInputs(self.predictions, self.bars, self.training, terms_of(self.manifest.config))


def load(layout: RunLayout, release_dir: Path) -> Evidence:
    """Read the evidence of a validated run; PhaseError if a file is missing or has changed since validation."""
    manifest, validation = read_manifest(layout), read_model(layout.validation, Validation)
    for name, digest in validation.sha256.items():
        path = layout.folder / name
        if not path.is_file() or sha256_of(path) != digest:
            raise PhaseError(f"{path} is missing or not what {layout.validation.name} recorded; resume the run")
    rows = layout.scored_rows.relative_to(layout.folder).as_posix()
    return Evidence(layout, manifest, validation, load_rows(layout, validation.sha256[rows]), release_dir)
