"""The kinds of bar source and what each can do. To add one: one entry here, and the class that `reader` names."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True)
class SourceKind:
    """One kind of bar source. Code reads these capabilities and never compares a kind's name.

    `reader` is `module:Class` of its `workers.bars.sources.source_protocol.Source`; only workers import it.
    `extra` is the extra of this package that its reader needs beside [worker].
    `calendar` and `span` replace the general defaults of --calendar, and of a run's --start-date and --end-date;
    `timezone` is that of its timestamps, whatever --timezone.
    """

    name: str
    reader: str
    has_folder: bool = False  # written `NAME:DIR`: its bars are files on this host
    is_own: bool = False  # written `NAME:FUNCTION` or `NAME:FUNCTION:ARGUMENT`: a function of a plug-in reads its bars
    is_remote: bool = False  # fetched from a vendor: needs named symbols, a request rate and perhaps credentials
    needs_dates: bool = False  # returns only the days that it is asked for, so a first day must be given
    is_adjusted: bool = False  # splits and bonus issues are taken out of its prices already
    extra: str | None = None
    calendar: str | None = None
    timezone: str | None = None
    span: tuple[date, date] | None = None
    intervals: tuple[str, ...] = ()  # the only lengths of bars that it has; none: any

    @property
    def form(self) -> str:
        """Its form in `--source`: `csv:DIR`, `plugin:NAME`, or the name alone."""
        if self.is_own:
            return f"{self.name}:NAME"
        return f"{self.name}:DIR" if self.has_folder else self.name


SOURCES: dict[str, SourceKind] = {}


def register_source(kind: SourceKind) -> None:
    """Make a kind available to `--source`; ValueError if the name is taken."""
    if kind.name in SOURCES:
        raise ValueError(f"a bar source named {kind.name!r} is registered already; choose another name")
    SOURCES[kind.name] = kind


register_source(
    SourceKind(
        "sample",
        "workers.bars.sources.sample:Sample",
        is_adjusted=True,
        extra="sample",
        calendar="XNYS",
        timezone="UTC",
        # The days that all seven symbols have.
        span=(date(2004, 8, 19), date(2013, 3, 1)),
    )
)
register_source(SourceKind("csv", "workers.bars.files.csv:CsvFolder", has_folder=True))
register_source(SourceKind("parquet", "workers.bars.files.parquet:ParquetFolder", has_folder=True))
register_source(
    SourceKind(
        "breeze",
        "workers.bars.breeze.source:Breeze",
        is_remote=True,
        needs_dates=True,
        extra="breeze",
        intervals=("1minute", "5minute", "30minute", "1day"),
    )
)
register_source(SourceKind("plugin", "workers.bars.sources.plugged:PluggedSource", is_own=True))


def split_source(source: str) -> tuple[SourceKind, str]:
    """Split `csv:DIR` into its kind and what follows ('' for a kind that stands alone); ValueError for anything else.

    That is a folder, or the name of a plug-in's source with what it is given, as `split_own` takes it apart.
    """
    name, _, rest = source.partition(":")
    kind = SOURCES.get(name)
    if kind is None or (kind.has_folder or kind.is_own) != (rest != ""):
        forms = ", ".join(each.form for each in SOURCES.values())
        raise ValueError(f"source {source!r} is not one of: {forms}")
    if kind.is_own and not split_own(rest)[0].isidentifier():
        raise ValueError(f"source {source!r}: give the name of a source that --plugins defines, as plugin:NAME")
    return kind, rest


def split_own(rest: str) -> tuple[str, str]:
    """Split `NAME:ARGUMENT` of a plug-in's source into its name and argument, '' without one."""
    name, _, argument = rest.partition(":")
    return name, argument


def own_source(source: str) -> str:
    """The name of the plug-in's source that reads bars; '' for a source of another kind."""
    kind, rest = split_source(source)
    return split_own(rest)[0] if kind.is_own else ""


def absolute_source(source: str) -> str:
    """The source with an absolute folder, so that a process in another folder reads the same files."""
    kind, folder = split_source(source)
    return f"{kind.name}:{Path(folder).absolute()}" if kind.has_folder else source


def default_dates(source: str) -> dict[str, date]:
    """The `start_date` and `end_date` of a run on this source that names none; empty if there is no default."""
    kind = SOURCES.get(source.partition(":")[0])
    return dict(zip(("start_date", "end_date"), kind.span, strict=True)) if kind and kind.span else {}
