"""Whether a run's dates and lengths leave a window that some bars could fill. No bars are known yet."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from orchestrator.planning.days import ALL_DAYS, bars_per_session, most_bars, most_sessions
from orchestrator.planning.windows import lay_windows
from schemas.config.interval import is_intraday
from schemas.config.run import RunConfig
from schemas.contract.errors import RequestError
from schemas.contract.window import MIN_RANKED_SYMBOLS, PANEL


def refuse_infeasible(config: RunConfig, today: date | None = None) -> None:
    """RequestError, with the setting to change, if no window can be trained and scored whatever the bars are.

    `today`: the day at the exchange, if omitted; there are no bars after it.
    """
    if config.symbols:
        refuse_few_symbols(config)
    today = today or datetime.now(ZoneInfo(config.timezone)).date()
    windows = lay_windows(PANEL, config.start_date, config.end_date, config.window_days, config.step_days)
    if not windows:
        raise RequestError(
            f"{config.start_date} to {config.end_date} holds no window of a week or more; move --end-date"
        )
    if config.start_date > today:
        raise RequestError(f"--start-date {config.start_date} is after today, {today}; choose days that have bars")
    if config.holdout_from is not None and config.holdout_from <= windows[0].end:
        raise RequestError(
            f"--holdout-from {config.holdout_from} leaves no day to score: the first window ends on {windows[0].end};"
            " choose a later day, an earlier --start-date or shorter --window-days"
        )
    longest = max((each.end - each.start).days for each in windows)
    if most_rows(config, longest) < config.min_rows:
        raise RequestError(_too_short(config, longest))
    first = windows[0]
    after = most_bars(config, (today - first.end).days + 1)
    if after < config.horizon + 1:
        raise RequestError(
            f"the first window ends on {first.end}, and to today, {today}, there are at most {after} bars after it;"
            f" scoring needs {config.horizon + 1}; choose an earlier --end-date, or shorter --window-days"
        )


def refuse_few_symbols(config: RunConfig) -> None:
    """RequestError if labels or features compare symbols with each other, and there are too few."""
    if config.needs_panel and len(config.symbols) < MIN_RANKED_SYMBOLS:
        features = f"--features {','.join(config.feature_set.names)}"
        flag = f"--label {config.label}" if config.label_compares else features
        named = ", ".join(config.symbols) or "none"
        raise RequestError(
            f"{flag} compares symbols with each other and needs at least {MIN_RANKED_SYMBOLS}; this run has"
            f" {len(config.symbols)} ({named}); name more with --symbols, or choose another"
            f" {flag.partition(' ')[0]}"
        )


def most_rows(config: RunConfig, days: int) -> int:
    """The most labelled rows in a window of so many days: each row's label ends in it, or in the row's session."""
    if is_intraday(config.interval) and not config.cross_session:
        return most_sessions(config, days) * max(bars_per_session(config) - config.horizon, 0)
    return max(most_bars(config, days) - config.horizon, 0)


def _too_short(config: RunConfig, days: int) -> str:
    """What is wrong with windows of so many days, the longest of the run, and the least that would do."""
    least = next((each for each in range(days, 3661) if most_rows(config, each) >= config.min_rows), None)
    step = f"give at least --window-days {least}" if least else "lower --horizon"
    if least and days < config.window_days:
        step = f"move --end-date to {config.start_date + timedelta(days=least)} or later"
        step += f", with at least --window-days {least}" if config.window_days < least else ""
    where = "" if config.resolved_calendar in ALL_DAYS else f" of {config.resolved_calendar}"
    return (
        f"a window of {days} days has at most {most_rows(config, days)} labelled rows of {config.interval} bars{where},"
        f" and {config.min_rows} are needed; {step}, or lower --min-rows"
    )
