"""What a file of side data holds, and the findings about it."""

from schemas.config.side import SideFile, SideName
from schemas.contract.base import Frozen
from schemas.contract.identifiers import Sha256
from schemas.contract.instant import Instant
from schemas.contract.quality import Finding, Verdict, worst


class SideCoverage(Frozen):
    """A file of side data as it was read: its digest once stored, its columns and rows, and what was found in it.

    `symbols` is empty for values that all symbols share. `first` and `last` are of `time`, `last_known` of `known_at`.
    `revisions` counts rows that replace an earlier value of the same time.
    """

    name: SideName
    path: str
    sha256: Sha256
    columns: tuple[str, ...]
    symbols: tuple[str, ...]
    rows: int
    revisions: int
    first: Instant
    last: Instant
    last_known: Instant
    lag_s: int | None
    max_age_s: int | None
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The most severe verdict of its findings."""
        return worst(self.findings)

    @property
    def file(self) -> SideFile:
        """The part that decides what features read."""
        return SideFile(
            name=self.name, sha256=self.sha256, columns=self.columns, by_symbol=bool(self.symbols), lag_s=self.lag_s,
            max_age_s=self.max_age_s,
        )  # fmt: skip

    @property
    def sentence(self) -> str:
        """What was read, as one line without a full stop."""
        of = f" of {len(self.symbols)} symbols" if self.symbols else ""
        revised = f", {self.revisions} of them revisions" if self.revisions else ""
        return (
            f"side data {self.name}: {self.rows} rows{of}{revised}, {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d},"
            f" columns {', '.join(self.columns)}"
        )
