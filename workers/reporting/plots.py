"""The audit's pictures, drawn from stored numbers alone; the same numbers give the same bytes."""

import io
from collections.abc import Sequence
from datetime import date, timedelta

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from schemas.artifacts import RunRow
from schemas.judgement import Validation
from schemas.messages import Status
from workers.bars.series import Floats

INK, BLUE, GREY, RED = "#222222", "#2f6f9f", "#9a9a9a", "#b04a3a"
BINS = 10


def png(figure: Figure) -> bytes:
    """PNG bytes without date or software, then closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def cumulative_net(days: NDArray[np.int64], daily: Floats) -> bytes:
    """Running sum of the daily net return on capital, in percent, with its fall from the peak."""
    total = np.cumsum(daily) * 100
    fall = total - np.maximum.accumulate(np.maximum(total, 0))
    when = [date(1970, 1, 1) + timedelta(days=int(d)) for d in days]
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(9, 5), sharex=True, height_ratios=(3, 1), layout="constrained")
    upper.plot(when, total, color=BLUE)
    upper.axhline(0, color=GREY, linewidth=0.8)
    upper.set_ylabel("sum of net return, %")
    upper.set_title("Net return of the students' trades on capital, by decision day")
    lower.fill_between(when, fall, 0, color=RED, alpha=0.6, linewidth=0)
    lower.set_ylabel("below peak, %")
    return png(figure)


def reliability(y: Floats, student: Floats, teacher: Floats) -> bytes:
    """What was predicted against what happened, in ten bins of equal size."""
    figure, axes = plt.subplots(figsize=(6, 5.4), layout="constrained")
    top = 0.0
    for name, p, color in (("student", student, BLUE), ("teacher", teacher, RED)):
        groups = np.array_split(np.argsort(p, kind="stable"), BINS)
        groups = [group for group in groups if len(group)]
        x, rate = [float(p[g].mean()) for g in groups], [float(y[g].mean()) for g in groups]
        axes.plot(x, rate, "o-", color=color, label=name)
        top = max(top, *x, *rate)
    axes.plot([0, top * 1.05], [0, top * 1.05], color=GREY, linestyle="--", label="perfectly calibrated")
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share that came true")
    axes.set_title(f"Calibration on {len(y)} unseen rows")
    axes.legend(frameon=False)
    return png(figure)


def skill_by_symbol(validation: Validation) -> bytes:
    """Log-loss skill of each symbol's students against the base rate."""
    names = sorted(validation.per_symbol, key=lambda s: float(validation.per_symbol[s]["log_loss_skill"] or 0.0))
    values = [float(validation.per_symbol[name]["log_loss_skill"] or 0.0) for name in names]
    figure, axes = plt.subplots(figsize=(8, max(2.5, 0.24 * len(names) + 1.2)), layout="constrained")
    axes.barh(range(len(names)), values, color=[BLUE if value > 0 else RED for value in values])
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("log-loss skill against the base rate (above 0 is better)")
    axes.set_title("Skill by symbol, pooled over its windows")
    return png(figure)


def window_grid(rows: Sequence[RunRow]) -> bytes:
    """Every symbol and window: skill where it was scored, grey where it was skipped, cross where it failed."""
    symbols = sorted({row.symbol for row in rows})
    starts = sorted({row.start for row in rows})
    grid = np.full((len(symbols), len(starts)), np.nan)
    figure, axes = plt.subplots(
        figsize=(max(5, 0.5 * len(starts) + 3), max(2.5, 0.24 * len(symbols) + 1.8)), layout="constrained"
    )
    for row in rows:
        place = symbols.index(row.symbol), starts.index(row.start)
        if row.status is Status.SUCCESS:
            loss, prior = float(row.metrics["scored_log_loss"] or 0), float(row.metrics["scored_prior_log_loss"] or 1)
            grid[place] = 1 - loss / prior
        elif row.status is Status.FAILED:
            axes.plot(place[1], place[0], "x", color=RED)
    axes.set_facecolor("#dddddd")
    image = axes.imshow(grid, cmap="RdBu", vmin=-0.3, vmax=0.3, aspect="auto", interpolation="none")
    axes.set_yticks(range(len(symbols)), symbols, parse_math=False)
    axes.set_xticks(range(len(starts)), [str(day) for day in starts], rotation=60, ha="right")
    figure.colorbar(image, label="log-loss skill, clipped at 0.3")
    axes.set_title("Skill by window (grey: skipped, cross: failed)")
    return png(figure)
