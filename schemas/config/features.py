"""Which features the models of a run see: sets, single features, and those of plug-ins."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from schemas.config.model_kinds import ModelKind
from schemas.config.plugged_kinds import PluggedKind
from schemas.config.side import SideChoice, SideFile
from schemas.contract.base import Frozen

OWN, MINIMAL, CROSS_SECTION = "own", "minimal", "cross-section"
# Other names of a set, and the names of features that exist only beside those of other symbols.
ALIASES = {"default": OWN}
SETS = (OWN, MINIMAL, CROSS_SECTION)
RANK = "rank_"
PANEL_NAMES = ("market_return", "market_dispersion", "beta")

FeatureName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,79}$")]


class Plugin(Frozen):
    """A plug-in file of a run: its name without `.py`, the digest of its source, and those features that read a panel.

    A feature reads a panel if its function takes the bars of all symbols. `models` are the kinds that it defines,
    `labels` the names of its labels, `value_labels` those of them that are values, `panel_labels` those that read a
    panel.
    """

    name: str
    sha256: str
    panel_features: tuple[str, ...] = ()
    models: tuple[PluggedKind, ...] = Field((), exclude_if=lambda models: not models)
    labels: tuple[str, ...] = Field((), exclude_if=lambda labels: not labels)
    value_labels: tuple[str, ...] = Field((), exclude_if=lambda labels: not labels)
    panel_labels: tuple[str, ...] = Field((), exclude_if=lambda labels: not labels)


class Plugged(Frozen):
    """The plug-ins of a run, the time zone of the bars' instants that their functions see, and their side data.

    `side` are those that features read, `label_side` those that the run's label reads: a release needs none of these.
    """

    timezone: str
    plugins: tuple[Plugin, ...] = Field(min_length=1)
    side: SideChoice | None = Field(None, exclude_if=lambda side: side is None)
    label_side: SideChoice | None = Field(None, exclude_if=lambda side: side is None)

    @property
    def side_files(self) -> tuple[SideFile, ...]:
        """All files of side data that features or the label read, each once."""
        choices = [each for each in (self.side, self.label_side) if each is not None]
        return tuple(dict.fromkeys(file for each in choices for file in each.files))

    @property
    def digests(self) -> dict[str, str]:
        """Map each plug-in's name to the digest of its source."""
        return {each.name: each.sha256 for each in self.plugins}

    @property
    def kinds(self) -> dict[str, ModelKind]:
        """The kinds of model that the plug-ins define, by name."""
        return {each.name: each.kind for plugin in self.plugins for each in plugin.models}


class FeatureChoice(Frozen):
    """The features of a model: names of sets and of single features, in the order of the columns.

    `rank_` and the name of a feature is its rank among the symbols of the same bar.
    """

    names: tuple[str, ...]
    plugged: Plugged | None = None

    @property
    def compares(self) -> bool:
        """Whether a symbol's features depend on the bars of other symbols."""
        panel = {name for each in (self.plugged.plugins if self.plugged else ()) for name in each.panel_features}
        return any(is_compared(name) or name in panel for name in self.names)

    @property
    def side(self) -> SideChoice | None:
        """The side data that the features read; None if they read none."""
        return self.plugged.side if self.plugged is not None else None


OWN_FEATURES = FeatureChoice(names=(OWN,))
CROSS_SECTION_FEATURES = FeatureChoice(names=(CROSS_SECTION,))


def is_compared(name: str) -> bool:
    """Whether a set, or a feature of this program, compares a symbol with others."""
    return name == CROSS_SECTION or name in PANEL_NAMES or name.startswith(RANK)


def split_names(value: str | Iterable[str]) -> tuple[str, ...]:
    """Names of a list, or of a text that commas separate: without empty ones, aliases and repetitions."""
    parts = value.split(",") if isinstance(value, str) else value
    names = (part.strip() for part in parts)
    return tuple(dict.fromkeys(ALIASES.get(name, name) for name in names if name))
