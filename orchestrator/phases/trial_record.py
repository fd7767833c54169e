"""Enters a run's configuration in the ledger of trials: when it is trained, scored and judged."""

import hashlib
import json
import os
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from orchestrator.phases.phase_context import RunContext
from orchestrator.phases.trial_count import count_trials
from schemas.config.run import RunConfig
from schemas.contract.errors import PhaseError
from schemas.contract.judgement import Recommendation, Validation
from schemas.contract.task import Role
from schemas.contract.trials import Trial
from schemas.files.run_files import read_model, write_model
from schemas.files.trial_log import append_trial, known_trials, trial_logs


def record_trial(
    context: RunContext, kind: Literal["trained", "scored", "judged"], recommendation: Recommendation | None = None
) -> None:
    """Append a line for the run, with Sharpe ratios once it is scored; none if no student was trained."""
    manifest, bars = context.manifest, context.manifest.bars
    untrained, scope = context.ledger.untrained(Role.STUDENT), manifest.config.training().scope_of_students
    first, last = date.max, date.min
    for each in manifest.plan:
        if each.skip is None and each.window.in_scope(scope).label not in untrained:
            first, last = min(first, each.window.end), max(last, each.window.score_end)
    if first > last or bars is None:
        return
    scores = read_model(context.layout.validation, Validation) if kind != "trained" else None
    ratios = {name: each.sharpe for name, each in scores.trading.items()} if scores else {}
    daily = context.layout.daily_returns.relative_to(context.layout.folder).as_posix()
    digests = {symbol: row.sha256 for symbol, row in sorted(bars.symbols.items())}
    bars_end = max(row.last for row in bars.symbols.values())
    config = manifest.config
    append_trial(
        trial_logs(config),
        Trial(
            kind=kind,
            time=datetime.now(UTC),
            run_id=context.run_id,
            data_dir=os.path.realpath(config.data_dir),
            settings=settings_digest(config),
            code=manifest.versions["gurukul"],
            symbols=config.symbols,
            start_date=config.start_date,
            end_date=config.end_date,
            bars=hashlib.sha256(json.dumps(digests).encode()).hexdigest(),
            bars_end=bars_end,
            first=first,
            last=min(last, _day_after(bars_end)),
            judged_until=scores.last if scores else None,
            sharpes={name: ratio for name, ratio in ratios.items() if ratio is not None},
            periods_per_year=manifest.periods_per_year,
            returns_sha256=scores.sha256[daily] if scores else None,
            recommendation=recommendation,
            holdout_from=config.holdout_from,
            is_final=config.final,
            study=config.study,
            number=context.layout.number,
        ),
    )


def write_trial_count(context: RunContext) -> None:
    """Write `trials.json` for the gates. PhaseError if no log has a line of this scored run."""
    logs = trial_logs(context.manifest.config)
    known = known_trials(logs)
    own = [each for each in known.trials if each.run_id == context.run_id and each.kind == "scored"]
    if not own:
        raise PhaseError(f"{logs[0]} has no line of {context.run_id}; restore it and resume the run")
    write_model(context.layout.trials, count_trials(known.trials, own[-1], known.faults))


def settings_digest(config: RunConfig) -> str:
    """SHA-256 of the settings of training, windows and costs; dates, symbols, devices and folders are left out."""
    tried = config.training().model_dump(mode="json") | {
        "window_days": config.window_days,
        "step_days": config.step_days,
        "costs": config.costs,
        "order_value": config.order_value,
        "trade_band": config.trade_band,
        "borrow_bps": config.borrow_bps,
        "impact": config.impact,
        "capital": config.capital,
        "cost_rates": [rates.model_dump(mode="json") for rates in config.cost_rates],
    }
    return hashlib.sha256(json.dumps(tried, sort_keys=True).encode()).hexdigest()


def _day_after(day: date) -> date:
    return day + timedelta(days=1)
