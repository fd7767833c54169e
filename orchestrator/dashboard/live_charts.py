"""Charts of the page Training Progress: the grid of symbols and windows, devices' work and use, durations of phases."""

import altair as alt
import pandas as pd

from orchestrator.dashboard.theme import BLUE, GREEN, GREY, STATUS_COLOURS, VERMILION
from orchestrator.events.run_state import Stage

STAGE_COLOURS = {
    Stage.TRAINED: GREEN,
    Stage.TAUGHT: "#7fc4ee",
    Stage.STUDYING: BLUE,
    Stage.TEACHING: "#0067a3",
    Stage.WAITING: f"{GREY}40",
    Stage.SKIPPED: GREY,
    Stage.FAILED: VERMILION,
}
SPAN_COLOURS = {
    status: STATUS_COLOURS[status] for status in ("success", "running", "skipped", "interrupted", "cancelled", "failed")
}
ROW_PX, MOST_PX, LEAST_PX = 20, 900, 3
# A chart's height holds its axis and legend, too.
AXIS_PX, LEGEND_PX, LANE_PX = 44, 60, 48
MOST_NAMED = 45
SELECTION = "window"
PICKED = "#cc79a7"
# An outline is drawn for every square, visible or not.
MOST_OUTLINED = 2500


def grid(frame: pd.DataFrame) -> alt.Chart:
    """One square per symbol and window; a click selects one."""
    rows, columns = frame["symbol"].nunique(), frame["window"].nunique()
    step = max(min(ROW_PX, MOST_PX / max(rows, 1)), LEAST_PX)
    spaced = alt.Scale(paddingInner=0.12 if step >= 8 and columns <= 80 else 0.0)
    axis = alt.Axis(labelOverlap=True, labelAngle=0, ticks=False, domain=False)
    names = alt.Axis(labelOverlap=rows > MOST_NAMED, ticks=False, domain=False)
    stages = alt.Scale(domain=[stage.value for stage in STAGE_COLOURS], range=list(STAGE_COLOURS.values()))
    picked = alt.selection_point(name=SELECTION, fields=["label"], on="click", empty=False)
    fields = ["symbol:N", "window:N", "stage:N", "reason:N", "skill, %:N", "device:N", "seconds:N"]
    chart = (
        alt.Chart(frame, height=int(rows * step) + AXIS_PX)
        .mark_rect(cursor="pointer")
        .encode(
            x=alt.X("window:O", title=None, scale=spaced, axis=axis),
            y=alt.Y("symbol:O", title=None, scale=spaced, axis=names),
            color=alt.Color("stage:N", scale=stages, legend=None),
            tooltip=fields,
        )
        .add_params(picked)
    )
    if len(frame) > MOST_OUTLINED:
        return chart
    return chart.encode(stroke=alt.condition(picked, alt.value(PICKED), alt.value(None)), strokeWidth=alt.value(2))


def distribution(counts: dict[Stage, int]) -> str:
    """HTML: one bar, all windows by stage, with the grid's legend under it."""
    shown = {stage: counts[stage] for stage in STAGE_COLOURS if counts[stage]}
    bar = "".join(
        f'<span title="{count} {stage}" style="flex:{count};background:{STAGE_COLOURS[stage]}"></span>'
        for stage, count in shown.items()
    )
    words = "".join(
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:.8em;height:.8em;'
        f'border-radius:2px;background:{STAGE_COLOURS[stage]}"></span> {count} {stage}</span>'
        for stage, count in shown.items()
    )
    return (
        f'<div style="display:flex;height:12px;border-radius:4px;overflow:hidden">{bar}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:.2em 1.2em;margin-top:.5em;font-size:.875rem">{words}</div>'
    )


def lanes(frame: pd.DataFrame) -> alt.Chart:
    """Work of each device over time; teachers above, students below."""
    devices = frame["device"].nunique()
    return (
        alt.Chart(frame, height=max(devices, 1) * LANE_PX + AXIS_PX + LEGEND_PX)
        .mark_bar(strokeWidth=0.5)
        .encode(
            x=alt.X("began:T", title=None),
            x2="ended:T",
            y=alt.Y("device:N", title=None, axis=alt.Axis(labelLimit=120)),
            yOffset=alt.YOffset("role:N", sort=["teacher", "student"]),
            color=alt.Color(
                "status:N", title=None,
                scale=alt.Scale(domain=list(SPAN_COLOURS), range=list(SPAN_COLOURS.values())),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["device:N", "role:N", "label:N", "status:N", alt.Tooltip("seconds:Q", format=".2f")],
        )
    )  # fmt: skip


def use(frame: pd.DataFrame) -> alt.Chart:
    """Use of each device over time."""
    return (
        alt.Chart(frame, height=200)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("at:T", title=None),
            y=alt.Y("use, %:Q", scale=alt.Scale(domain=[0, 100])),
            color=alt.Color("device:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=["device:N", alt.Tooltip("use, %:Q", format=".0f"), alt.Tooltip("memory, MiB:Q", format=".0f")],
        )
    )


def phase_seconds(frame: pd.DataFrame) -> alt.Chart:
    """Duration of each phase so far."""
    return (
        alt.Chart(frame, height=len(frame) * 26 + AXIS_PX + 20)
        .mark_bar()
        .encode(
            x=alt.X("seconds:Q", title="seconds"),
            y=alt.Y("phase:N", sort=None, title=None, axis=alt.Axis(labelLimit=140)),
            color=alt.Color(
                "status:N",
                scale=alt.Scale(domain=list(SPAN_COLOURS), range=list(SPAN_COLOURS.values())),
                legend=None,
            ),
            tooltip=["phase:N", "status:N", alt.Tooltip("seconds:Q", format=".1f")],
        )
    )
