"""The charts of an audit: one Vega-Lite definition each, for the report page, the pictures and the dashboard."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

import altair as alt
import numpy as np

from schemas.config.target import CLASS, LOSSES, Loss, Target
from schemas.contract.artifact import RunRow
from schemas.contract.judgement import FEW_ROWS, STUDENT, Validation
from schemas.contract.reason_words import words_for
from schemas.contract.task import Metric, Status
from workers.bars.calendar import day_of
from workers.bars.series import Floats, Ints
from workers.judging.performance import below_peak

HEIGHT, ROW_HEIGHT = 260, 16
BINS = 10
SHOWN_FEATURES = 12
CLIPPED_SKILL = 20  # percent
SKILL, SHARE = "skill, %", "share of gain, %"
# Of heat maps, by the names of Vega's ranges. A page replaces them where it is dark.
RANGES = {"diverging": {"scheme": "redblue"}, "heatmap": {"scheme": "blues"}}
HATCHES = 5  # strokes per cell of few rows
# Distinguishable with colour blindness, on white and on black: the palette of Okabe and Ito.
BLUE, ORANGE, GREEN, GREY, PINK, SKY = "#0072B2", "#D55E00", "#009E73", "#8c8c8c", "#CC79A7", "#56B4E9"
COLORS = {
    "student": BLUE, "base rate": SKY, "historical mean": SKY, "teacher": ORANGE, "reversal": PINK,
    "always long": GREY, "momentum": GREEN,
}  # fmt: skip
DIGITS = 3
PASSES, DOES_NOT_PASS = "passes on its own", "does not pass"

Rows = list[dict[str, object]]
C = TypeVar("C", alt.Chart, alt.LayerChart)


class _Rows:
    """Rows of a chart, which Altair takes as they are; a list it copies and converts value by value."""

    _schema: ClassVar[dict[str, object]] = {}  # by which Altair recognises what has a `to_dict`

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def to_dict(self, **_: object) -> Rows:
        """The rows."""
        return self.rows


def equity(day: Ints, daily: Mapping[str, Floats], title: str) -> alt.LayerChart:
    """Draw the compounded daily net return of each strategy, in percent, beside cash.

    `day`: days since 1970, shape (days,). `daily`: fractions of the capital, shape (days,).
    """
    grown = {name: np.asarray(100 * np.cumprod(1.0 + values) - 100, np.float64) for name, values in daily.items()}
    cash = alt.Chart(_data([{"value": 0}])).mark_rule(color=GREY, strokeDash=[4, 4]).encode(y="value:Q")
    return _titled(alt.layer(cash, _lines(_series(day, grown), "net return, %")), title)


def drawdown(day: Ints, daily: Mapping[str, Floats]) -> alt.Chart:
    """Draw how far the compounded equity is below its highest value so far, in percent; arguments as for `equity`."""
    below = {name: below_peak(values) * 100 for name, values in daily.items()}
    return _titled(_lines(_series(day, below), "below the highest value so far, %"), "Falls below the highest value")


def reliability(y: Floats, models: Mapping[str, Floats], target: Target = CLASS) -> alt.LayerChart:
    """Draw actual rates over predicted probabilities, or means over values, in ten bins of equal size.

    Arrays have shape (rows,).
    """
    rows: Rows = []
    for name, p in models.items():
        for group in np.array_split(np.argsort(p, kind="stable"), BINS):
            if len(group):
                predicted, actual = float(p[group].mean()), float(y[group].mean())
                rows.append(
                    {"model": name, "predicted": _short(predicted), "actual": _short(actual), "rows": len(group)}
                )
    found = [float(row[key]) for row in rows for key in ("predicted", "actual")]  # type: ignore[arg-type]
    low, top = 0 if target == CLASS else min(found), max(found)
    base = alt.Chart(_data(rows))
    corners: Rows = [{"predicted": low, "actual": low}, {"predicted": top, "actual": top}]
    ideal = alt.Chart(_data(corners)).mark_line(color=GREY, strokeDash=[4, 4])
    across, up = f"predicted {LOSSES[target].prediction}", "actual rate" if target == CLASS else "actual mean"
    x, y_axis = alt.X("predicted:Q", title=across), alt.Y("actual:Q", title=up)
    dots = base.mark_line(point=True).encode(
        x=x, y=y_axis, color=_color(models), tooltip=_tips("model", "predicted", "actual", "rows")
    )
    return _titled(alt.layer(ideal.encode(x=x, y=y_axis), dots), f"{across.capitalize()} and {up}")


def skill_by_window(
    rows: Sequence[RunRow], per_window: Mapping[str, Mapping[str, Metric]], loss: Loss
) -> alt.LayerChart:
    """Draw the skill of every symbol and window, of `per_window` by its label; few rows are hatched.

    Windows without scores are grey, with the reason.
    """
    scored: Rows = []
    others: Rows = []
    for row in rows:
        place: dict[str, object] = {"symbol": row.symbol, "window": str(row.start)}
        if row.status is Status.SUCCESS:
            found = per_window[row.window_label]
            scored.append(place | {SKILL: _skill(found, loss), "rows": found["rows"]})
        else:
            others.append(
                place | {"reason": words_for(row.reason) if row.reason else f"failed: {words_for(row.failure)}"}
            )
    few = [row for row in scored if int(row["rows"]) < FEW_ROWS]  # type: ignore[call-overload]
    x, y = alt.X("window:O", title="first day of the window"), alt.Y("symbol:N", title=None)
    scale = alt.Scale(range="diverging", domain=[-CLIPPED_SKILL, CLIPPED_SKILL], clamp=True)
    cells = alt.Chart(_data(scored)).mark_rect()
    empty = alt.Chart(_data(others)).mark_rect(color=GREY, opacity=0.35)
    tips = _tips("symbol", "window", SKILL, "rows")
    layers = [
        cells.encode(x=x, y=y, color=alt.Color(f"{SKILL}:Q", scale=scale), tooltip=tips),
        empty.encode(x=x, y=y, tooltip=_tips("symbol", "window", "reason")),
        *(_hatch(few, at, tips) for at in range(HATCHES if few else 0)),
    ]
    title = (
        f"{loss.named_skill.capitalize()} by symbol and window (hatched: fewer than {FEW_ROWS} rows; grey: skipped"
        " or failed)"
    )
    drawn = _titled(alt.layer(*layers), title, len({row.symbol for row in rows}) * ROW_HEIGHT)
    return drawn.configure_range(**RANGES)


def _hatch(rows: Rows, at: int, tips: list[alt.Tooltip]) -> alt.Chart:
    """One of the strokes across each cell of `rows`."""
    lines = alt.Chart(_data(rows)).mark_rule(color="#888", strokeWidth=1)
    return lines.encode(
        x=alt.X("window:O", bandPosition=at / HATCHES), x2=alt.X2("window:O", bandPosition=(at + 1) / HATCHES),
        y=alt.Y("symbol:N", bandPosition=1), y2=alt.Y2("symbol:N", bandPosition=0), tooltip=tips,
    )  # fmt: skip


def skill_by_symbol(validation: Validation, passing: Sequence[str]) -> alt.Chart:
    """Draw the skill of each symbol's students, pooled over its windows."""
    loss = validation.loss
    rows: Rows = [
        {
            "symbol": name, SKILL: _skill(row, loss), "rows": row["rows"],
            "passes": PASSES if name in passing else DOES_NOT_PASS,
        }
        for name, row in validation.per_symbol.items()
    ]  # fmt: skip
    color = alt.Color(
        "passes:N",
        title=None,
        scale=alt.Scale(domain=[PASSES, DOES_NOT_PASS], range=[GREEN, GREY]),
    )
    chart = alt.Chart(_data(rows))
    return _titled(
        chart.mark_bar().encode(
            x=alt.X(f"{SKILL}:Q", title=f"{loss.named_skill}, %"), y=alt.Y("symbol:N", sort="-x", title=None),
            color=color,
            tooltip=_tips("symbol", SKILL, "rows", "passes"),
        ),
        f"{loss.named_skill.capitalize()} by symbol (above 0: better than {loss.simple(validation.opponent)})",
        len(rows) * ROW_HEIGHT,
    )  # fmt: skip


def _skill(row: Mapping[str, Metric], loss: Loss) -> float:
    return _short(100 * float(row[loss.skill_key] or 0.0))


def importance(by_start: Mapping[str, Mapping[str, float]]) -> alt.Chart:
    """Draw the teachers' mean feature importance by window start; a feature whose colour changes has drifted."""
    total: dict[str, float] = {}
    for shares in by_start.values():
        for name, share in shares.items():
            total[name] = total.get(name, 0.0) + share
    names = sorted(total, key=lambda name: -total[name])[:SHOWN_FEATURES]
    rows: Rows = [
        {"feature": name, "window": start, SHARE: _short(100 * shares.get(name, 0.0))}
        for start, shares in sorted(by_start.items())
        for name in names
    ]
    chart = alt.Chart(_data(rows))
    return _titled(
        chart.mark_rect().encode(
            x=alt.X("window:O", title="first day of the window"), y=alt.Y("feature:N", sort=names, title=None),
            color=alt.Color(f"{SHARE}:Q", scale=alt.Scale(range="heatmap")),
            tooltip=_tips("feature", "window", SHARE),
        ),
        f"The teachers' {len(names)} most important features, by window",
        len(names) * ROW_HEIGHT,
    ).configure_range(**RANGES)  # fmt: skip


def permutation(null: Sequence[float], observed: float, loss: Loss = LOSSES[CLASS]) -> alt.LayerChart:
    """Draw the improvement of the loss with shifted labels as a histogram, that with the true labels as a line."""
    counts, edges = np.histogram(np.array(null), bins=40)
    rows: Rows = [
        {"from": _short(low), "to": _short(high), "shifts": int(count)}
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
    ]
    bars = alt.Chart(_data(rows)).mark_bar(color=SKY).encode(
        x=alt.X("from:Q", title=loss.unit, bin="binned"), x2="to:Q", y=alt.Y("shifts:Q", title="shifts"),
        tooltip=_tips("from", "to", "shifts"),
    )  # fmt: skip
    line = alt.Chart(_data([{"at": _short(observed)}])).mark_rule(color=ORANGE, size=2)
    title = f"{loss.change.capitalize()} with shifted labels, and with the true ones (line)"
    return _titled(alt.layer(bars, line.encode(x="at:Q", tooltip=_tips("at"))), title)


def devices(rows: Sequence[RunRow]) -> alt.Chart:
    """Draw which window each device worked on, over time."""
    bars: Rows = [
        {
            "device": row.device, "from": _iso(row.finished - timedelta(seconds=row.duration_seconds)),
            "to": _iso(row.finished), "role": row.role, "window": row.window_label,
            "seconds": round(row.duration_seconds, 3),
        }
        for row in rows
        if row.finished is not None and row.duration_seconds and row.device and row.reused_from is None
    ]  # fmt: skip
    chart = alt.Chart(_data(bars))
    color = alt.Color("role:N", title=None, scale=alt.Scale(domain=["teacher", "student"], range=[ORANGE, BLUE]))
    count = len({bar["device"] for bar in bars})
    return _titled(
        chart.mark_bar(opacity=0.7).encode(
            x=alt.X("from:T", title="time (UTC)", axis=_times("%H:%M:%S")), x2="to:T",
            y=alt.Y("device:N", title=None), color=color, tooltip=_tips("device", "role", "window", "seconds"),
        ),
        "Work per device over time",
        count * 2 * ROW_HEIGHT,
    )  # fmt: skip


def phases(durations: Mapping[str, float]) -> alt.Chart:
    """Draw the duration of each phase in seconds, in order."""
    rows: Rows = [{"phase": name, "seconds": round(seconds, 2)} for name, seconds in durations.items()]
    chart = alt.Chart(_data(rows))
    return _titled(
        chart.mark_bar(color=BLUE).encode(
            x=alt.X("seconds:Q"), y=alt.Y("phase:N", sort=list(durations), title=None),
            tooltip=_tips("phase", "seconds"),
        ),
        "Duration of the phases (teacher and student training overlap)",
        len(rows) * ROW_HEIGHT,
    )  # fmt: skip


def _series(day: Ints, values: Mapping[str, Floats]) -> Rows:
    days = [str(day_of(number)) for number in day]
    return [
        {"day": when, "strategy": name, "value": _short(value)}
        for name, column in values.items()
        for when, value in zip(days, column.tolist(), strict=True)
    ]


def _lines(rows: Rows, axis: str) -> alt.Chart:
    names = dict.fromkeys(str(row["strategy"]) for row in rows)
    chart = alt.Chart(_data(rows)).mark_line()
    return chart.encode(
        strokeWidth=alt.condition(alt.datum.strategy == STUDENT, alt.value(2.2), alt.value(1.2)),
        x=alt.X("day:T", title=None, axis=_times("%b %Y")), y=alt.Y("value:Q", title=axis),
        color=_color(names, "strategy"), tooltip=_tips("day", "strategy", "value"),
    )  # fmt: skip


def _times(form: str) -> alt.Axis:
    """An axis of times, of which each label is whole: `October` beside `2006` reads as one date."""
    return alt.Axis(format=form, labelOverlap=True, labelSeparation=12)


def _color(names: Mapping[str, object], field: str = "model") -> alt.Color:
    scale = alt.Scale(domain=list(names), range=[COLORS.get(name, GREY) for name in names])
    return alt.Color(f"{field}:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", columns=3))


def _tips(*fields: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{field}:N") for field in fields]


def _data(rows: Rows) -> alt.Data:
    return alt.Data(values=_Rows(rows))


def _titled(chart: C, title: str, height: int = HEIGHT) -> C:
    sized: C = chart.properties(width="container", height=max(height, 4 * ROW_HEIGHT), title=title)
    return sized


def _short(value: float) -> float:
    """Three significant digits, as everywhere in a report."""
    return float(f"{value:.{DIGITS}g}")


def _iso(moment: datetime) -> str:
    return moment.isoformat()
