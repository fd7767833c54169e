"""What the orchestrator must know before it writes anything: the devices, and what the source holds of each symbol."""

from schemas.coverage import Coverage
from schemas.device import Device
from schemas.errors import DataError, RequestError
from schemas.preflight import PreflightReport, PreflightRequest
from workers.bars import store
from workers.bars.source import adjusts, known_symbols, passed_over, read_bars
from workers.devices import find_devices


def inspect(request: PreflightRequest) -> PreflightReport:
    """Find devices and read every wanted symbol once, storing nothing. What is wrong comes back as one sentence."""
    try:
        devices: list[Device] = find_devices(request.devices) if request.devices else []
        coverage = _coverage(request) if request.read_source else []
        others = passed_over(request.source, request.interval) if request.read_source and not request.symbols else []
    except (DataError, RequestError) as error:
        return PreflightReport(error=str(error))
    return PreflightReport(devices=tuple(devices), coverage=tuple(coverage), passed_over=tuple(others))


def _coverage(request: PreflightRequest) -> list[Coverage]:
    rows = []
    for symbol in known_symbols(request.source, request.interval, request.symbols):
        table = read_bars(request.source, symbol, request.interval, request.timezone)
        rows.append(
            store.describe(
                table,
                store.encode(table),
                symbol=symbol,
                interval=request.interval,
                source=request.source,
                adjusted=adjusts(request.source),
            )
        )
    return rows
