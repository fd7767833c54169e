"""Reads, judges and stores files of side data."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from schemas.config.side import SideRequest
from schemas.contract.errors import RequestError
from schemas.contract.quality import Check, Finding, Verdict, worst
from schemas.contract.side import SideCoverage
from schemas.files.atomic import write_atomic
from schemas.files.layout import side_file
from workers.bars.files.faults import Faults
from workers.side.files import RawSide, read_side
from workers.side.store import encode, table_of
from workers.side.table import SideTable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A step between two times that is so many times the usual one is a gap.
GAP_STEPS = 5
# So many times in a row with the same values are stale.
STALE_ROWS = 20


@dataclass(frozen=True)
class ReadSide:
    """A file that was read: its table, and what is stored and reported of it."""

    table: SideTable
    content: bytes
    coverage: SideCoverage


def read(request: SideRequest, timezone: str) -> ReadSide:
    """Read and judge a file. RequestError, with the first ten faults of each kind, for one that cannot be used."""
    faults = Faults()
    raw = read_side(request, timezone, faults)
    kept = _without_repetitions(raw, faults) if raw is not None and len(raw.time) else None
    if kept is not None:
        _early(kept, timezone, faults)
    findings = faults.findings()
    if worst(findings) is Verdict.REJECT or kept is None:
        sentences = "; ".join(each.sentence for each in findings if each.verdict is Verdict.REJECT)
        raise RequestError(f"--side {request.name}: {sentences}")
    table = table_of(kept.columns, kept.owners, kept.time, kept.known_at, kept.values, request.max_age_s)
    content = encode(table)
    findings += [each for each in (_gaps(request, table, timezone), _stale(request, table)) if each is not None]
    revisions = sum(len(mine) - len(np.unique(mine.time)) for mine in table.rows.values())
    coverage = SideCoverage(
        name=request.name,
        path=request.path,
        sha256=sha256(content).hexdigest(),
        columns=table.columns,
        symbols=tuple(sorted(table.rows)) if table.by_symbol else (),
        rows=len(kept.time),
        revisions=revisions,
        first=_instant(kept.time.min(), timezone),
        last=_instant(kept.time.max(), timezone),
        last_known=_instant(kept.known_at.max(), timezone),
        lag_s=request.lag_s,
        max_age_s=request.max_age_s,
        findings=tuple(findings),
    )
    return ReadSide(table, content, coverage)


def store(found: ReadSide, data_dir: str | Path) -> None:
    """Store a file below a data folder, unless it is there."""
    path = side_file(data_dir, found.coverage.name, found.coverage.sha256)
    if not path.is_file():
        write_atomic(path, found.content)


def _without_repetitions(raw: RawSide, faults: Faults) -> RawSide:
    """Each symbol, time and known_at once; other values of the same are faults."""
    _, owner = np.unique(raw.owners.astype(str), return_inverse=True)
    order = np.lexsort((np.arange(len(raw.time)), raw.known_at, raw.time, owner))
    same = np.zeros(len(order), dtype=np.bool_)
    keys = (owner, raw.time, raw.known_at)
    same[1:] = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    values = raw.values[order]
    equal = np.zeros(len(order), dtype=np.bool_)
    equal[1:] = ((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))).all(axis=1)
    other, again = np.flatnonzero(same & ~equal), np.flatnonzero(same & equal)
    faults.add_many(
        Check.CONFLICTING_DUPLICATE, len(other),
        lambda n: (
            raw.locate(int(order[other[n]])),
            f"has other values than {raw.locate(int(order[other[n] - 1]))}, of the same time and known_at; keep one",
        ),
    )  # fmt: skip
    faults.add_many(
        Check.DUPLICATE, len(again),
        lambda n: (raw.locate(int(order[again[n]])), "repeats another row, and is removed"), verdict=Verdict.WARN,
    )  # fmt: skip
    kept = np.sort(order[~same])
    return replace(
        raw, owners=raw.owners[kept], time=raw.time[kept], known_at=raw.known_at[kept], values=raw.values[kept],
        locate=lambda row: raw.locate(int(kept[row])),
    )  # fmt: skip


def _early(raw: RawSide, timezone: str, faults: Faults) -> None:
    early = np.flatnonzero(raw.known_at < raw.time)
    faults.add_many(
        Check.KNOWN_EARLY, len(early),
        lambda n: (
            raw.locate(int(early[n])),
            f"is known at {_instant(raw.known_at[early[n]], timezone):%Y-%m-%d %H:%M}, before its time"
            f" {_instant(raw.time[early[n]], timezone):%Y-%m-%d %H:%M}; right for a forecast, otherwise correct"
            " known_at",
        ),
        verdict=Verdict.WARN, named=1,
    )  # fmt: skip


def _gaps(request: SideRequest, table: SideTable, timezone: str) -> Finding | None:
    """The longest step between two times of one symbol, where it is much longer than the usual one."""
    steps = [(owner, np.unique(mine.time)) for owner, mine in table.rows.items()]
    gaps = list(_long_steps(steps))
    if not gaps:
        return None
    owner, begin, end = max(gaps, key=lambda each: each[2] - each[1])
    of = f" of {owner}" if owner else ""
    return Finding(
        check=Check.SIDE_GAP, verdict=Verdict.WARN, count=len(gaps), where=request.name,
        detail=f"has no value{of} between {_instant(begin, timezone):%Y-%m-%d} and {_instant(end, timezone):%Y-%m-%d},"
        f" over {GAP_STEPS} times its usual step; features see the older one{_until_old(request)}",
    )  # fmt: skip


def _until_old(request: SideRequest) -> str:
    if request.max_age_s is None:
        return f", however old; limit it with --side-max-age {request.name}=DURATION"
    return f" until it is {timedelta(seconds=request.max_age_s)} old"


def _long_steps(times: list[tuple[str, np.ndarray]]) -> Iterator[tuple[str, int, int]]:
    for owner, mine in times:
        if len(mine) > 2:
            step = np.diff(mine)
            for row in np.flatnonzero(step > GAP_STEPS * np.median(step)):
                yield owner, int(mine[row]), int(mine[row + 1])


def _stale(request: SideRequest, table: SideTable) -> Finding | None:
    """The longest run of times with the same values."""
    longest, where, count = 0, "", 0
    for owner, mine in table.rows.items():
        by_time = np.argsort(mine.time, kind="stable")  # of one time the last known comes last
        rows = mine.values[by_time[np.append(np.flatnonzero(np.diff(mine.time[by_time])), len(mine) - 1)]]
        changes = np.flatnonzero(~((rows[1:] == rows[:-1]).all(axis=1)))
        runs = np.diff(np.concatenate([[-1], changes, [len(rows) - 1]]))
        count += int((runs >= STALE_ROWS).sum())
        if runs.max() > longest:
            longest, where = int(runs.max()), owner
    if longest < STALE_ROWS:
        return None
    of = f" of {where}" if where else ""
    return Finding(
        check=Check.STALE_RUN, verdict=Verdict.WARN, count=count, where=request.name,
        detail=f"has the same values{of} {longest} times in a row; check that the file was continued",
    )  # fmt: skip


def _instant(microseconds: int, timezone: str) -> datetime:
    return (EPOCH + timedelta(microseconds=int(microseconds))).astimezone(ZoneInfo(timezone))
