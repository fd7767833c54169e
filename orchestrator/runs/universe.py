"""The universe by date of a run: read before it, stored by digest, and what its symbols' bars lack of it."""

from collections.abc import Iterable
from datetime import date, timedelta

from orchestrator.audit.wording import some
from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.coverage import CoverageTable
from schemas.contract.errors import DataError, RequestError
from schemas.contract.universe import Universe
from schemas.files.universe import read_universe, store_universe, stored_universe


def with_universe(config: RunConfig) -> tuple[RunConfig, Universe | None]:
    """The config with the digest of its universe, and that universe. RequestError for a faulty file."""
    if config.universe is None:
        return config, None
    universe = read_universe(config.universe)
    return config.model_copy(update={"members": universe.sha256}), universe


def universe_of(config: RunConfig) -> Universe | None:
    """The universe that a run has stored; None if it has none."""
    return None if config.members is None else stored_universe(config.data_dir, config.members)


def keep_universe(universe: Universe | None, data_dir: str) -> None:
    """Store the universe of a run, if it has one, unless it is stored."""
    if universe is not None:
        store_universe(universe, data_dir)


def refuse_missing_universe(manifest: RunManifest) -> None:
    """RequestError if the universe of a run is no longer stored on this host."""
    try:
        universe_of(manifest.config)
    except DataError as error:
        raise RequestError(f"{error} with --reuse") from None


def symbols_in(universe: Universe | None, config: RunConfig, found: Iterable[str]) -> tuple[str, ...]:
    """The symbols of a run: those that are named, else those `found` that belong on a day of it.

    RequestError for a named one that never does, and if none is left.
    """
    if universe is None:
        return config.symbols or tuple(found)
    members = set(universe.members(config.start_date, _end(config)))
    for symbol in config.symbols:
        if symbol not in members:
            raise RequestError(
                f"--symbols {symbol}: it does not belong to {config.universe} on any day from {config.start_date} to"
                f" {_end(config)}; leave it out, or correct the file"
            )
    chosen = config.symbols or tuple(each for each in found if each in members)
    if not chosen:
        raise RequestError(
            f"no symbol of the source belongs to {config.universe} from {config.start_date} to {_end(config)}; are its"
            f" names those of the source? It begins with {some(sorted(universe.stays))}"
        )
    return chosen


def universe_sentences(universe: Universe | None, config: RunConfig, known: CoverageTable | None) -> list[str]:
    """What belongs on the days of a run, and what its bars lack of that; `known`: None before bars are."""
    if universe is None:
        return []
    members = universe.members(config.start_date, _end(config))
    left = [each for each in members if not universe.spans(each, _end(config) - timedelta(days=1), _end(config))]
    sentences = [
        f"universe: {len(members)} symbols belong from {config.start_date} to {_end(config)}, {len(left)} of them have"
        " left before the end"
    ]
    if missing := [each for each in members if each not in config.symbols]:
        sentences.append(
            f"universe: {some(missing)} belong and are not in this run; without their bars results look better, most of"
            " all without those that have left"
        )
    rows = known.symbols if known is not None else {}
    gaps = [
        f"{each} ({since} to {until})"
        for each in members
        if each in rows
        for since, until in universe.lacking(
            each, (rows[each].first, rows[each].last), config.start_date, config.end_date
        )
    ]
    if gaps:
        sentences.append(f"universe: bars lack days of {some(gaps)}; add them, or correct the file")
    return sentences


def _end(config: RunConfig) -> date:
    """The day after the last one that a run may score."""
    return config.end_date + timedelta(days=config.step_days)
