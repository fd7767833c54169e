"""The chart of a study as Vega-Lite: the objective by trial, and the best so far."""

from collections import Counter
from typing import Any

from orchestrator.tuning.result import described
from orchestrator.tuning.study_view import StudyView
from schemas.contract.numbers import shown
from schemas.contract.study import StudyTrial, TrialState

HEIGHT = 260
# Distinguishable with colour blindness, on white and on black: as in the report's charts.
COLORS = {"complete": "#0072B2", "pruned": "#8c8c8c", "best so far": "#D55E00"}
DIGITS = 3


def finding(view: StudyView) -> str:
    """What the chart shows, in a sentence."""
    best, objective = view.best, view.study.settings.objective
    states = Counter(each.state for each in view.trials)
    counts = f"{len(view.trials)} of {view.study.settings.trials} trials ended" + "".join(
        f", {states[state]} {state.value}" for state in TrialState if states[state]
    )
    if best is None:
        return f"{counts}: no value of {objective} is known."
    value = f"{objective} {shown(best.value, '+')} {view.unit}"
    if best.number == 0:
        return f"{counts}: none is better than trial 0, without a change ({value})."
    first = shown(view.trials[0].value, "+")
    return f"{counts}: trial {best.number} is the best ({value}); trial 0, without a change, has {first}."


def specification(view: StudyView) -> dict[str, Any]:
    """The chart: a point per trial that has a value, of a pruned one its last, and a line of the best so far."""
    points, best = [], []
    highest: float | None = None
    for trial in view.trials:
        if trial.state is TrialState.COMPLETE and trial.value is not None:
            highest = trial.value if highest is None else max(highest, trial.value)
        if highest is not None:
            best.append({"trial": trial.number, "value": _short(highest), "kind": "best so far"})
        if (value := _reached(trial)) is not None:
            points.append({
                "trial": trial.number, "value": _short(value), "kind": trial.state.value,
                "chosen": described(trial.chosen),
            })  # fmt: skip
    encoding = {
        "x": {"field": "trial", "type": "quantitative", "title": "trial", "axis": {"format": "d", "tickMinStep": 1}},
        "y": {
            "field": "value", "type": "quantitative", "scale": {"zero": False},
            "title": f"{view.study.settings.objective}, {view.unit}",
        },
        "color": {
            "field": "kind", "type": "nominal", "title": None, "legend": {"orient": "bottom"},
            "scale": {"domain": list(COLORS), "range": list(COLORS.values())},
        },
    }  # fmt: skip
    shape = {"field": "kind", "type": "nominal", "legend": None, "scale": {"range": ["circle", "cross"]}}
    tips = [{"field": name, "type": "nominal"} for name in ("trial", "value", "kind", "chosen")]
    return {
        "width": "container",
        "height": HEIGHT,
        "encoding": encoding,
        "layer": [
            {"data": {"values": best}, "mark": {"type": "line", "interpolate": "step-after"}},
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"shape": shape, "tooltip": tips},
            },
        ],
    }


def _reached(trial: StudyTrial) -> float | None:
    if trial.state is TrialState.PRUNED and trial.steps:
        return trial.steps[-1]
    return trial.value


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
