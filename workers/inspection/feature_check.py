"""Analyses plug-ins' features and labels on bars of a source, or on stored ones."""

import tempfile
from pathlib import Path

from schemas.config.bars import BarsSettings
from schemas.config.interval import is_intraday
from schemas.config.sources import split_source
from schemas.contract.errors import DataError, GurukulError, RequestError
from schemas.contract.requests import CheckReport, CheckRequest
from schemas.contract.universe import Universe
from schemas.files.layout import BarsLayout
from workers.bars import store
from workers.bars.series import Series
from workers.features.analysis import Analysis, check_features
from workers.features.pandas_bars import refuse_missing_side
from workers.features.plugged import features_here
from workers.inspection.model_trial import check_models
from workers.judging.plugged_gate import gates_here
from workers.learning.label_analysis import check_label
from workers.learning.plugged_label import labels_here
from workers.models.plugged import plugged_types
from workers.side.joined import SideData
from workers.side.reading import read
from workers.side.universe import marked

SEED = 0


def check(request: CheckRequest) -> CheckReport:
    """Check every feature and label of this process's plug-ins; a fault of the request is returned in `error`."""
    try:
        features = list(features_here().values())
        files = [read(each, request.timezone) for each in request.side]
        tables = {each.coverage.name: each.table for each in files}
        labels = list(labels_here().values())
        refuse_missing_side([*features, *labels], tables)
        bars = _members(_read(request.bars, request) if request.bars else _stored(request), request.universe)
        side, intraday = SideData(tables, request.calendar, request.interval), is_intraday(request.interval)
        checks = check_features(bars, features, request.timezone, intraday, SEED, Analysis(), side)
        checks += [check_label(bars, each, request.timezone, SEED, Analysis(), side) for each in labels]
        models = check_models(plugged_types(), bars, intraday)
        gates = tuple(gates_here().values())
    except GurukulError as error:
        return CheckReport(error=str(error))
    return CheckReport(
        checks=tuple(checks), models=models, gates=gates, side=tuple(each.coverage for each in files),
        symbols=tuple(bars), bars=sum(len(each) for each in bars.values()),
    )  # fmt: skip


def _members(bars: dict[str, Series], universe: Universe | None) -> dict[str, Series]:
    """The bars of symbols that belong to a universe on a day of theirs. RequestError if there are none."""
    if universe is None:
        return bars
    known = {symbol: marked(symbol, series, universe) for symbol, series in bars.items()}
    found = {symbol: series for symbol, series in known.items() if series.member.any()}
    if not found:
        raise RequestError(
            f"none of the {len(bars)} symbols belongs to the universe on a day of its bars; are its names those of the"
            f" source? It begins with {', '.join(sorted(universe.stays)[:3])}"
        )
    return found


def _stored(request: CheckRequest) -> dict[str, Series]:
    layout, found = BarsLayout.under(request.data_dir, request.interval), {}
    for symbol in request.symbols:
        stored = store.read(layout.bars(symbol))
        if stored is None:
            raise DataError(f"{layout.bars(symbol)} is not there; `orchestrator ingest` stores bars, or give --source")
        found[symbol] = stored[0]
    return found


def _read(settings: BarsSettings, request: CheckRequest) -> dict[str, Series]:
    """Bars of a source on this host as an ingestion would store them, without symbols that it would reject."""
    from workers.bars.ingestion import assess
    from workers.bars.sources.registry import known_symbols, open_folder

    if split_source(settings.source)[0].is_remote:
        raise RequestError(f"bars of {settings.source} are not on this host; `orchestrator ingest` them first")
    found, reasons = {}, []
    with tempfile.TemporaryDirectory(prefix="gurukul-bars-") as folder:
        scratch = Path(folder)
        names = open_folder(settings.source, settings.interval, settings.timezone, None, scratch).symbols()
        for symbol in known_symbols(names, settings.source, settings.interval, request.symbols):
            assessed = assess(settings, symbol, request.data_dir, lambda: None, scratch)
            if assessed.ingested.rejected is not None:
                reasons.append(f"{symbol}: {assessed.ingested.rejected.sentence}")
            else:
                found[symbol] = store.decode(assessed.content)[0]
    if not found:
        raise RequestError(f"{settings.source} has no symbol that can be used: {'; '.join(reasons[:3])}")
    return found
