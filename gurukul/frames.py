"""Data frames of the API: days are `datetime64` without a zone, instants `datetime64` in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from schemas.contract.task import Role

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.ledger.ledger import WorkRecord
    from schemas.contract.artifact import RunManifest
    from schemas.contract.judgement import Statistics
    from schemas.contract.release import Predictions
    from schemas.contract.requests import CheckReport
    from schemas.contract.window import PlannedWindow

DAYS = ("start", "end", "score_end", "session", "label_end_session", "day")
PLAN_COLUMNS = ("window_label", "symbol", "start", "end", "score_end", "expected_rows", "skip", "detail")
NUMBERS = ("statistic", "threshold", "low", "high", "n", "p")


def with_days(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, with its columns of days as `datetime64` at midnight without a zone."""
    import pandas as pd

    return frame.assign(
        **{name: pd.to_datetime(frame[name]).astype("datetime64[us]") for name in DAYS if name in frame}
    )


def plan_frame(plan: Iterable[PlannedWindow]) -> pd.DataFrame:
    """One row per planned window; `skip` and `detail` are empty for one that can be trained."""
    import pandas as pd

    rows = [
        (
            each.window.label, each.window.symbol, each.window.start, each.window.end, each.window.score_end,
            each.expected_rows, str(each.skip or ""), each.detail,
        )
        for each in plan
    ]  # fmt: skip
    return with_days(pd.DataFrame(rows, columns=list(PLAN_COLUMNS)))


def windows_frame(manifest: RunManifest, ends: Mapping[Role, Mapping[str, WorkRecord]]) -> pd.DataFrame:
    """The plan of a run, with what became of each window; `ends` are the ledger's records by role and label."""
    settings = manifest.config.training()
    frame = plan_frame(manifest.plan)
    reasons = frame["detail"].tolist()
    for role, scope in ((Role.TEACHER, settings.scope), (Role.STUDENT, settings.scope_of_students)):
        found = [ends[role].get(each.window.in_scope(scope).label) for each in manifest.plan]
        frame[role.value] = [
            "skipped" if each.skip else "pending" if end is None or end.status is None else end.status.value
            for each, end in zip(manifest.plan, found, strict=True)
        ]
        reasons = [known or (end.message if end else "") for known, end in zip(reasons, found, strict=True)]
    return frame.drop(columns="detail").assign(reason=reasons)


def beside(first: str, second: str, values: Mapping[str, Iterable[Any]]) -> pd.DataFrame:
    """One row per name, one column per run."""
    import pandas as pd

    return pd.DataFrame.from_dict(dict(values), orient="index", columns=[first, second])


def predictions_frame(found: Predictions) -> pd.DataFrame:
    """One row per scored symbol: `probability`, or `value` where labels are values; both, empty, without a row."""
    import pandas as pd

    from schemas.contract.release import Prediction

    rows = [each.model_dump() for each in found.predictions]
    columns = [name for name in Prediction.model_fields if not rows or any(name in row for row in rows)]
    frame = with_days(pd.DataFrame(rows, columns=columns))
    frame["bar"] = pd.to_datetime(frame["bar"], utc=True).astype("datetime64[us, UTC]")
    frame.attrs["refused"] = {each.symbol: each.reason for each in found.refused}
    return frame


def gates_frame(statistics: Statistics) -> pd.DataFrame:
    """One row per criterion of each gate."""
    import pandas as pd

    rows = [
        {"gate": gate.name, "criterion": each.name, "part": each.part.value, "answer": each.answer}
        | each.model_dump(include=set(NUMBERS), exclude_none=False)
        | {"reason": each.reason}
        for gate in statistics.gates
        for each in gate.criteria
    ]
    return pd.DataFrame(rows, columns=["gate", "criterion", "part", "answer", *NUMBERS, "reason"])


def checks_frame(found: CheckReport) -> pd.DataFrame:
    """One row per feature, label and model that was checked."""
    import pandas as pd

    rows: list[tuple[object, ...]] = [
        (each.kind, each.name, "; ".join(each.faults), "; ".join(each.notes), each.missing, each.seconds)
        for each in found.checks
    ]
    rows += [("model", each.name, each.fault, "", None, None) for each in found.models]
    frame = pd.DataFrame(rows, columns=["kind", "name", "faults", "notes", "missing", "seconds"])
    frame.insert(2, "verdict", ["refused" if faults else "accepted" for faults in frame["faults"]])
    return frame.astype({"missing": float, "seconds": float})
