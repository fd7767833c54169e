"""Appends a run's configuration to the trial log: once when it is trained, once when it is scored."""

from datetime import UTC, datetime
from typing import Literal

from orchestrator.phases.phase_context import RunContext
from schemas.contract.judgement import Validation
from schemas.contract.task import Role, Status
from schemas.files.run_files import read_model, read_rows
from schemas.files.trial_log import Trial, append_trial, configuration_key


def record_trial(context: RunContext, kind: Literal["trained", "scored"]) -> None:
    """Append a line for the run, with Sharpe ratios if it is scored. Without a trained student nothing is appended."""
    rows = [row for row in read_rows(context.layout, Role.STUDENT) if row.status is Status.SUCCESS]
    if not rows:
        return
    scores = read_model(context.layout.validation, Validation) if kind == "scored" else None
    ratios = {name: each.sharpe for name, each in scores.trading.items()} if scores else {}
    daily = context.layout.daily_returns.relative_to(context.layout.folder).as_posix()
    append_trial(
        context.manifest.config.data_dir,
        Trial(
            kind=kind,
            time=datetime.now(UTC),
            run_id=context.run_id,
            key=configuration_key(context.manifest.config),
            symbols=tuple(sorted({row.symbol for row in rows})),
            first=min(row.start for row in rows),
            last=max(planned.window.score_end for planned in context.manifest.plan),
            sharpes={name: ratio for name, ratio in ratios.items() if ratio is not None},
            periods_per_year=context.manifest.periods_per_year,
            returns_sha256=scores.sha256[daily] if scores else None,
        ),
    )
