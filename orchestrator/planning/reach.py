"""Whether settings can work, from coverage alone: labels in a session, thresholds in reach, days for the gates."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

from orchestrator.planning.days import TradingDays, most_sessions
from schemas.config.interval import is_intraday
from schemas.config.run import RunConfig
from schemas.contract.coverage import Coverage, CoverageTable
from schemas.contract.window import MIN_CLASS_ROWS, PlannedWindow, SkipReason, Window

NAMED = 4


def impossible_labels(known: Coverage, config: RunConfig) -> tuple[SkipReason, str] | None:
    """Why no window of a symbol can have the labels that it needs: the reason and a sentence; None if it may."""
    by_session = is_intraday(config.interval) and not config.cross_session
    if by_session and config.horizon >= known.most_bars_a_session:
        return SkipReason.INSUFFICIENT_SAMPLES, (
            f"no session has more than {known.most_bars_a_session} bars, so no label of {config.horizon} bars ends in"
            " one; lower --horizon, or use --cross-session"
        )
    largest = _rise(known, config, "largest")
    if largest is not None and largest <= _least_rise(config):
        return SkipReason.SINGLE_CLASS, (
            f"no label can be 1: prices rise by at most {largest:.3g} within {config.horizon} bars of"
            f" {config.interval}, and labels need more than {_least_rise(config):.3g};"
            " lower --threshold, or use --threshold-unit sigma"
        )
    return None


def doubts(config: RunConfig, windows: Sequence[PlannedWindow], known: CoverageTable | None) -> list[str]:
    """Sentences about settings that probably cannot work; windows and gates decide. `known`: None before bars are."""
    sentences = _without_effect(config)
    rare = {
        symbol: rise
        for symbol, row in (known.symbols.items() if known else ())
        if (rise := _rise(row, config, "usual")) is not None and rise <= _least_rise(config)
    }
    if rare:
        names = ", ".join(sorted(rare)[:NAMED]) + (f" and {len(rare) - NAMED} more" if len(rare) > NAMED else "")
        sentences.append(
            f"fewer than 1 in 100 labels of {names} can be 1: a rise of more than {_least_rise(config):.3g} within"
            f" {config.horizon} bars of {config.interval} is rare; windows with fewer than {MIN_CLASS_ROWS} are"
            " skipped; lower --threshold, or use --threshold-unit sigma"
        )
    if config.interval == "1week":
        sentences.append("bars are weekly: wherever the gates, the report and their bounds count days, each is a week")
    scored, least = scored_sessions(config, windows, known), config.gates.min_days
    if scored < least and (known is None or any(each.skip is None for each in windows)):
        sentences.append(
            f"the gates need {least} scored days and these windows score at most {scored}, so the recommendation will"
            " be hold; choose a later --end-date, an earlier --start-date or shorter --window-days"
        )
    return sentences


def _without_effect(config: RunConfig) -> list[str]:
    """One sentence per setting that was changed and decides nothing beside the others."""
    idle = {
        f"with --label {config.label}": (
            *(("take_profit", "stop_loss") if config.label != "triple-barrier" else ()),
            *(("threshold", "threshold_unit", "label_return") if config.label == "rank" else ()),
            *(("threshold",) if config.label == "return" else ()),
        ),
        "without --privileged": () if config.privileged else ("distill_weight",),
    }
    found = [
        (f"--{name.replace('_', '-')}", where)
        for where, names in idle.items()
        for name in names
        if getattr(config, name) != type(config).model_fields[name].default
    ]
    return [f"{name} has no effect {where}, and makes another configuration of the run" for name, where in found]


def _least_rise(config: RunConfig) -> float:
    """The gross return that a label of 1 exceeds."""
    cost = config.training().round_trip_cost if config.label_return == "net" else 0.0
    return config.threshold + cost


def _rise(known: Coverage, config: RunConfig, kind: Literal["largest", "usual"]) -> float | None:
    """An upper bound on rises within the horizon; None if unknown, or if labels are not decided by them."""
    if known.rises is None or config.label != "fixed" or config.threshold_unit != "return":
        return None
    if config.cross_session and is_intraday(config.interval):  # these rises end with their session
        return None
    found: tuple[float, ...] = getattr(known.rises, kind)
    return found[(config.horizon - 1).bit_length()]


def scored_sessions(config: RunConfig, windows: Sequence[PlannedWindow], known: CoverageTable | None) -> int:
    """The most days that the windows can be scored on; without coverage, their sessions by the calendar."""
    spans = _merged([each.window for each in windows if known is None or each.skip is None])
    if known is None:
        return sum(most_sessions(config, (stop - start).days) for start, stop in spans)
    return sum(max((_sessions(row, start, stop) for row in known.symbols.values()), default=0) for start, stop in spans)


def _merged(windows: Sequence[Window]) -> list[tuple[date, date]]:
    """Spans `[end, score_end)` of windows, joined where they overlap or touch."""
    merged: list[tuple[date, date]] = []
    for start, stop in sorted((each.end, each.score_end) for each in windows):
        if merged and start <= merged[-1][1]:
            start, last = merged.pop()
            stop = max(stop, last)
        merged.append((start, stop))
    return merged


def _sessions(known: Coverage, start: date, stop: date) -> int:
    last = known.last + timedelta(days=1)
    return TradingDays(known).most_bars(start, min(stop, last)) // known.most_bars_a_session
