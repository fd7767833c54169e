"""Draw the pictures of method.md: `python docs/drawings.py`. Spans, blocks, shares and factors are the code's."""

from datetime import date, timedelta
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from schemas.config.training import Lookback, TrainingSettings
from workers.learning.base_rate import base_rates
from workers.learning.rank_label import rank_labels
from workers.learning.splits import BLOCKS, apart, blocks, split_tail
from workers.learning.student import EXPECTED_LOGIT, shrinkage

IMAGES = Path(__file__).parent / "images"
ROWS, HORIZON, EMBARGO = 24, 4, 1
FIT, PURGED, TAIL, SCORED, GREY = "#3b6fb6", "#d9534f", "#e8a33d", "#4c9a5f", "#8a8a8a"


def main() -> None:
    plt.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "gurukul", "font.family": "sans-serif", "font.size": 11}
    )
    for name, draw, height in (
        ("window", window, 2.2), ("lookback", lookback, 2.9), ("warmup", warmup, 2.2), ("ranks", ranks, 2.6),
        ("baserate", base_rate, 2.9), ("purge", purge, 4.2), ("embargo", embargo, 2.4),
        ("distillation", distillation, 4.4), ("shrinkage", shrunk, 3.6), ("panel", panel, 3.4),
    ):  # fmt: skip
        figure, axes = plt.subplots(figsize=(8.4, height))
        axes.axis("off")
        draw(axes)
        figure.savefig(IMAGES / f"method-{name}.svg", bbox_inches="tight", facecolor="white", metadata={"Date": None})
        plt.close(figure)


def bar(axes: Axes, first: float, last: float, y: float, color: str, text: str = "", height: float = 0.6) -> None:
    axes.barh(y, last - first, left=first, height=height, color=color, edgecolor="white")
    if text:
        axes.text((first + last) / 2, y, text, ha="center", va="center", color="white")


def note(axes: Axes, x: float, y: float, text: str, color: str = "#333333", ha: str = "left") -> None:
    axes.text(x, y, text, color=color, ha=ha, va="center")


def window(axes: Axes) -> None:
    """Two windows of one symbol: each learns from its own days and is scored up to the next one's end."""
    axes.set(xlim=(-3, 42), ylim=(-1.4, 2.2))
    for number, y in ((0, 1.0), (1, 0.0)):
        start = 12 * number
        bar(axes, start, start + 12, y, FIT, f"window {number + 1} learns")
        bar(axes, start + 12, start + 24, y, SCORED, f"window {number + 1} is scored")
    bar(axes, -3, 0, 1.0, GREY, "")
    note(axes, 36.4, 0, "...")
    for x, text in ((0, "start"), (12, "end"), (24, "end of the next")):
        axes.plot([x, x], [-0.6, 1.5], color="#333333", linewidth=0.8, linestyle=":")
        note(axes, x, 1.75, text, ha="center")
    note(axes, -3, -1.1, "days are half open: the end is the first day that is scored; scored blocks tile time")


def warmup(axes: Axes) -> None:
    """Bars before the window that a row's features need."""
    axes.set(xlim=(-16, 26), ylim=(-1.3, 2.0))
    bar(axes, -15, 0, 1.0, GREY, "150 bars of warm-up")
    bar(axes, 0, 16, 1.0, FIT, "rows of the window")
    bar(axes, 16, 22, 1.0, SCORED, "scored")
    axes.annotate("", xy=(3, 0.55), xytext=(-12, 0.55), arrowprops={"arrowstyle": "<->", "color": "#333333"})
    note(axes, -4.5, 0.15, "what the features of this row read", ha="center")
    axes.plot([3, 3], [0.4, 1.5], color="#333333", linewidth=1.2)
    note(axes, -15, -0.9, "features are computed once, over the whole history, causally, and then cut to the window")


def example() -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    t0 = np.arange(ROWS)
    return t0, t0 + HORIZON, blocks(t0)


def purge(axes: Axes) -> None:
    """Every row's label span, coloured by the split that it is in."""
    t0, t1, _ = example()
    split = split_tail(t0, t1, 0)
    colors = dict.fromkeys(split.fit.tolist(), FIT) | dict.fromkeys(split.purged.tolist(), PURGED)
    colors |= dict.fromkeys(split.tail.tolist(), TAIL)
    axes.set(xlim=(-1, ROWS + HORIZON + 12), ylim=(-ROWS - 2.2, 1.5))
    for row in range(ROWS):
        axes.plot([t0[row], t1[row]], [-row, -row], color=colors[row], linewidth=3.4, solid_capstyle="butt")
        axes.plot(t0[row], -row, "o", color=colors[row], markersize=4.5)
    first = t0[split.tail[0]]
    axes.plot([first, first], [-ROWS, 1], color="#333333", linewidth=0.8, linestyle=":")
    note(axes, first + 0.4, 0.6, "the tail's first decision")
    note(axes, ROWS + HORIZON + 0.5, -4, "fitted", FIT)
    note(axes, ROWS + HORIZON + 0.5, -split.purged[0] - 1.5, "purged: its label", PURGED)
    note(axes, ROWS + HORIZON + 0.5, -split.purged[0] - 3.2, "reaches the tail", PURGED)
    note(axes, ROWS + HORIZON + 0.5, -21.5, "tail: early stopping", TAIL)
    note(axes, 0, -ROWS - 1.3, "each line is a row: its dot is the decision, its end the bar that settles the label")


def embargo(axes: Axes) -> None:
    """The bars that are left out around a block that a model must not learn from."""
    t0, t1, block = example()
    kept = apart(t0, t1, block, (1,), EMBARGO)
    axes.set(xlim=(-1, ROWS + 8), ylim=(-1.6, 1.7))
    for row in range(ROWS):
        color = SCORED if block[row] == 1 else FIT if row in kept else PURGED
        bar(axes, row, row + 1, 0.6, color)
    note(axes, 0, 1.4, "fitted", FIT)
    note(axes, 2.4, 1.4, "purged", PURGED)
    note(axes, 5.4, 1.4, "judged: not used to fit the model", SCORED)
    last = t1[block == 1].max()
    axes.annotate("", xy=(last + 1, -0.25), xytext=(12, -0.25), arrowprops={"arrowstyle": "<->", "color": "#333333"})
    note(axes, 11.8, -0.7, "labels of the judged rows")
    bar(axes, last + 1, last + 1 + EMBARGO, -0.25, GREY)
    note(axes, last + 2.4, -0.25, "embargo")
    note(axes, 0, -1.35, f"on either side {HORIZON} bars of horizon and {EMBARGO} of embargo are left out")


def ranks(axes: Axes) -> None:
    """Returns of the symbols decided at one instant, their ranks and labels."""
    axes.set(xlim=(-0.085, 0.07), ylim=(-1.4, 1.3))
    returns = [-0.052, -0.033, -0.014, 0.004, 0.022, 0.038, 0.058]
    instant = [np.array([0])] * len(returns)
    for value, found in zip(
        returns, rank_labels(instant, instant, [np.array([each]) for each in returns]), strict=True
    ):
        one = bool(found.above[0])
        axes.plot([value], [0], "o", markersize=14, color=SCORED if one else GREY)
        note(axes, value, 0.55, f"{value:+.1%}", ha="center")
        note(axes, value, -0.5, f"{found.rank[0]:.2f}", ha="center")
        note(axes, value, 0, str(int(one)), "white", ha="center")
    axes.plot([np.median(returns)] * 2, [-0.9, 1.0], color="#333333", linewidth=0.8, linestyle=":")
    note(axes, float(np.median(returns)), 1.2, "median", ha="center")
    for y, text in ((0.55, "return"), (0, "label"), (-0.5, "rank")):
        note(axes, -0.085, y, text)
    note(axes, -0.085, -1.2, "seven symbols decided at one instant; the one at the median is not above it")


def lookback(axes: Axes) -> None:
    """Rows that the models of one window learn from, for each kind of lookback."""
    axes.set(xlim=(-9, 42), ylim=(-1.6, 3.6))
    first, start, end = date(2024, 1, 1), date(2024, 1, 19), date(2024, 1, 31)
    kinds: tuple[Lookback, ...] = ("expanding", "window", 21)
    for y, kind in zip((2.4, 1.2, 0.0), kinds, strict=True):
        settings = TrainingSettings.model_construct(lookback=kind)
        begin = (max(settings.first_day_learned(start, end), first) - first) / timedelta(days=1)
        bar(axes, 0, begin, y, "#dddddd")
        bar(axes, begin, 30, y, FIT, "its models learn")
        bar(axes, 30, 36, y, SCORED, "scored")
        note(axes, -9, y, f"{kind} days" if isinstance(kind, int) else kind)
    for x, text in ((0, "first warmed-up row"), (18, "start"), (30, "end")):
        axes.plot([x, x], [-0.5, 3.0], color="#333333", linewidth=0.8, linestyle=":")
        note(axes, x, 3.3, text, ha="center")
    note(axes, -9, -1.3, "what is scored, stored and refreshed is the same window each time")


def base_rate(axes: Axes) -> None:
    """Each symbol's share of positives, and where it is drawn to."""
    axes.set(xlim=(0.36, 0.74), ylim=(-6.9, 1.3))
    total = np.array([400.0, 400.0, 200.0, 60.0, 25.0])
    share = np.array([0.60, 0.47, 0.53, 0.45, 0.66])
    drawn, pooled = base_rates(share * total, total)
    for y, (many, own, mine) in enumerate(zip(total, share, drawn, strict=True)):
        axes.plot([own], [-y], "o", markersize=9, color=GREY)
        axes.plot([mine], [-y], "o", markersize=9, color=FIT)
        axes.annotate("", xy=(mine, -y), xytext=(own, -y), arrowprops={"arrowstyle": "->", "color": "#333333"})
        note(axes, 0.36, -y, f"{many:g} labels")
    axes.plot([pooled] * 2, [-4.6, 0.5], color="#333333", linewidth=0.8, linestyle=":")
    note(axes, pooled, 0.9, f"share of all symbols, {pooled:.2f}", ha="center")
    note(axes, 0.68, -1, "a symbol's own share", GREY)
    note(axes, 0.68, -2, "its base rate", FIT)
    for value in (0.45, 0.5, 0.55, 0.6, 0.65):
        note(axes, value, -5.2, f"{value:.2f}", ha="center")
    note(axes, 0.36, -6.5, "the fewer labels a symbol has, the further its share is drawn")


def distillation(axes: Axes) -> None:
    """How the predictions of one block are made that judge the student and its teacher, and what is served."""
    axes.set(xlim=(-1, 34), ylim=(-5.6, 2.6))
    for number, name in enumerate(("block 0", "block 1", "block 2", "tail")):
        bar(axes, 6 * number, 6 * number + 6, 1.8, SCORED if number == 1 else GREY, name)
    note(axes, 25, 1.8, "rows of one window")
    for y, name in ((0.6, "a teacher without block 1"), (-0.6, "a student without block 1")):
        for number in (0, 2, 3):
            bar(axes, 6 * number, 6 * number + 6, y, TAIL if y > 0 else FIT)
        axes.annotate("", xy=(9, y - 0.42), xytext=(9, y + 0.42), arrowprops={"arrowstyle": "->", "color": "#333333"})
        note(axes, 25, y, name)
    bar(axes, 0, 24, -1.9, SCORED, f"margins of all {BLOCKS} blocks, out of fold")
    note(axes, 25, -1.9, "two slopes, shrunk")
    for x in (12, 20.2):
        axes.annotate("", xy=(x, -3.0), xytext=(x, -2.35), arrowprops={"arrowstyle": "->", "color": "#333333"})
    for first, color, text in ((0, GREY, "offset"), (8.2, FIT, "factor x student"), (16.4, TAIL, "factor x teacher")):
        bar(axes, first, first + 7.6, -3.4, color, text)
    for x in (7.9, 16.1):
        note(axes, x, -3.4, "+", ha="center")
    note(axes, 25, -3.4, "= the logit that is served")
    note(axes, 0, -4.6, "the last line has the models that were fitted on all rows; either factor may be 0")
    note(axes, 0, -5.3, "a teacher with privileged inputs is not added: it is mixed into the labels")


def shrunk(axes: Axes) -> None:
    """What is kept of a slope that was measured on so many independent rows."""
    axes.set(xlim=(-0.06, 0.57), ylim=(-0.12, 0.43))
    arrow = {"arrowstyle": "->", "color": "#333333"}
    axes.annotate("", xy=(0.42, 0), xytext=(0, 0), arrowprops=arrow)
    axes.annotate("", xy=(0, 0.42), xytext=(0, 0), arrowprops=arrow)
    axes.plot([0, 0.4], [0, 0.4], color=GREY, linewidth=1, linestyle="--")
    note(axes, 0.41, 0.415, "all of it", GREY)
    for many, color in ((6400, SCORED), (1600, FIT), (400, TAIL), (100, PURGED)):
        found = [judged(many, slope) for slope in np.linspace(0.01, 0.4, 60)]
        measured, kept = zip(*sorted(set(found)), strict=True)
        axes.plot(measured, kept, color=color, linewidth=2)
        note(axes, 0.41, kept[-1], f"{many:,} independent rows", color)
    for value in (0.1, 0.2, 0.3):
        note(axes, value, -0.025, f"{value:g}", ha="center")
        note(axes, -0.008, value, f"{value:g}", ha="right")
    note(axes, 0.2, -0.065, "slope that was measured, in logits per standard deviation of the margins", ha="center")
    note(axes, -0.02, 0.45, "slope that is kept")
    expected = f"expected to add {EXPECTED_LOGIT:g} logits"
    note(axes, -0.06, -0.115, f"a student of one symbol, {expected}; a slope below 0 is not kept")


def judged(many: int, slope: float) -> tuple[float, float]:
    """The slope of labels on margins of -1 and 1 in `many` rows, and what is kept of it."""
    half = many // 2
    ones = round(half / (1.0 + np.exp(-slope)))
    y = (np.arange(half) < ones).astype(np.int8)
    margin, labels = np.repeat([1.0, -1.0], half), np.concatenate([y, 1 - y])
    found = shrinkage(margin, np.zeros(many), labels, np.ones(many), np.arange(many), EXPECTED_LOGIT)
    return found.slope or 0.0, found.factor


def panel(axes: Axes) -> None:
    """Teachers, students and offsets of three symbols in each scope."""
    axes.set(xlim=(-7, 37), ylim=(-3.9, 3.2))
    symbols = ("A", "B", "C")
    for left, scope, teachers, students in (
        (0, "symbol", 3, 3), (13, "panel, symbol students", 1, 3), (26, "panel", 1, 1)
    ):  # fmt: skip
        note(axes, left + 5.5, 2.9, scope, ha="center")
        for y, number, color in ((1.8, teachers, TAIL), (0.6, students, FIT)):
            names = symbols if number == 3 else ("A, B, C",)
            for place, name in enumerate(names):
                wide = 11 / number
                bar(axes, left + place * wide, left + (place + 1) * wide, y, color, name)
        for place, name in enumerate(symbols):
            bar(axes, left + place * 11 / 3, left + (place + 1) * 11 / 3, -0.6, GREY, name)
    for y, text in ((1.8, "teachers"), (0.6, "students"), (-0.6, "base rates")):
        note(axes, -7, y, text)
    bar(axes, 26, 37, -1.8, "#5b4b8a", "any other symbol")
    note(axes, -7, -1.8, "from the panel's base rate, a panel's student also predicts")
    note(axes, -7, -2.9, "a box is one model, or one base rate, and has the symbols that it belongs to")
    note(axes, -7, -3.6, "the rows of a panel are all symbols' rows, in order of their decisions")


if __name__ == "__main__":
    main()
