"""Check a request before the orchestrator writes anything: devices, and each symbol's bars in the source."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from schemas.config.bars import NEW_YORK, NSE, BarsSettings
from schemas.config.sources import split_source
from schemas.contract.device import Device, DeviceKind
from schemas.contract.errors import DataError, RequestError
from schemas.contract.extras import explain_missing, missing_modules, training_extras
from schemas.contract.identifiers import is_symbol
from schemas.contract.requests import PreflightReport, PreflightRequest
from schemas.contract.task import Ingested
from workers.devices.discovery import find_devices


def inspect(request: PreflightRequest) -> PreflightReport:
    """Find devices and symbols, and check their bars if requested; a fault is returned as one sentence in `error`.

    A GPU that is to train must train one round here first.
    """
    try:
        devices = find_devices(request.devices) if request.devices else []
        _refuse_missing_extras(request, devices)
        if request.trains:
            from workers.devices.trial import refuse_untrainable  # needs what may be missing until the line above

            refuse_untrainable(devices)
        with tempfile.TemporaryDirectory(prefix="gurukul-bars-") as temporary:
            scratch = Path(request.scratch or temporary)
            found = PreflightReport(symbols=request.symbols)
            if request.bars and request.opens_source:
                found = _symbols(request.bars, request.symbols, scratch)
            reads = request.bars if request.read else None
            ingested = _read(reads, found.symbols, request.data_dir, scratch) if reads else {}
    except (DataError, RequestError) as error:
        return PreflightReport(error=str(error))
    return found.model_copy(update={"devices": tuple(devices), "ingested": ingested})


def _refuse_missing_extras(request: PreflightRequest, devices: Sequence[Device]) -> None:
    """Raise RequestError if the request needs libraries that are not installed here, with the install command."""
    extras = ["worker"] if request.bars or request.devices else []
    if request.bars and (extra := split_source(request.bars.source)[0].extra):
        extras.append(extra)
    if request.trains:
        extras += training_extras(any(device.kind is DeviceKind.GPU for device in devices))
        extras += request.model_extras
    if missing := missing_modules(dict.fromkeys(extras)):
        raise RequestError(explain_missing(missing))


def _symbols(bars: BarsSettings, wanted: tuple[str, ...], scratch: Path) -> PreflightReport:
    """The symbols to work on, names in the source that cannot be symbols, and what was understood of its files.

    RequestError for a missing symbol.
    """
    from workers.bars.corporate_actions import read_actions
    from workers.bars.ingestion import SECOND, calendar_of
    from workers.bars.sources.pace import Pace
    from workers.bars.sources.registry import known_symbols, open_folder, open_source

    if bars.calendar not in (NSE, NEW_YORK):  # those are known to exist; a look-up takes a second
        calendar_of(bars)
    if bars.corporate_actions:
        read_actions(Path(bars.corporate_actions))
    if bars.second_source:
        open_folder(bars.second_source, bars.interval, bars.timezone, bars.second_options, scratch / SECOND).symbols()
    source = open_source(bars, [], Path(), Pace(None, bars.requests_per_minute).acquire, scratch)
    if split_source(bars.source)[0].is_remote:
        if not wanted:
            raise RequestError(f"{bars.source} has thousands of symbols; name yours with --symbols or --symbols-file")
        source.check(wanted)
        return PreflightReport(symbols=wanted)
    names = source.symbols()
    others = [] if wanted else [name for name in names if not is_symbol(name)]
    return PreflightReport(
        symbols=tuple(known_symbols(names, bars.source, bars.interval, wanted)),
        passed_over=tuple(others),
        understood=tuple(source.understood()),
    )


def _read(bars: BarsSettings, symbols: Sequence[str], data_dir: str, scratch: Path) -> dict[str, Ingested]:
    from workers.bars.ingestion import assess

    if split_source(bars.source)[0].is_remote:
        step = "fetch them with `orchestrator ingest`, then use --skip-fetch"
        raise RequestError(f"bars of {bars.source} are not on this host yet; {step}")
    return {symbol: assess(bars, symbol, data_dir, lambda: None, scratch).ingested for symbol in symbols}
