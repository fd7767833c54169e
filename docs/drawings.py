"""Draw the pictures of method.md: `python docs/drawings.py`. Spans, purges and blocks come from the project's code."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from workers.learning.rank_label import rank_labels
from workers.learning.splits import BLOCKS, apart, blocks, split_tail

IMAGES = Path(__file__).parent / "images"
ROWS, HORIZON, EMBARGO = 24, 4, 1
FIT, PURGED, TAIL, SCORED, GREY = "#3b6fb6", "#d9534f", "#e8a33d", "#4c9a5f", "#8a8a8a"


def main() -> None:
    plt.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "gurukul", "font.family": "sans-serif", "font.size": 11}
    )
    for name, draw, height in (
        ("window", window, 2.2), ("warmup", warmup, 2.2), ("purge", purge, 4.2), ("embargo", embargo, 2.4),
        ("distillation", distillation, 3.9), ("ranks", ranks, 2.6),
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
    returns = [-0.052, -0.031, -0.012, 0.004, 0.017, 0.029, 0.055]
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


def distillation(axes: Axes) -> None:
    """A student that is judged on block 1 learns block 2 from a teacher that was fitted on neither."""
    axes.set(xlim=(-1, 33), ylim=(-4.4, 2.6))
    names = ["block 0", "block 1", "block 2", "tail"]
    for number in range(BLOCKS):
        bar(axes, 6 * number, 6 * number + 6, 1.8, [FIT, SCORED, TAIL, FIT][number], names[number])
    note(axes, 25, 1.8, "rows of one window")
    for number in (0, 3):
        bar(axes, 6 * number, 6 * number + 6, 0.6, FIT)
    note(axes, 25, 0.6, "teacher fitted apart from both")
    axes.annotate("", xy=(15, -0.75), xytext=(15, 0.25), arrowprops={"arrowstyle": "->", "color": "#333333"})
    note(axes, 15.6, -0.2, "its predictions for block 2")
    bar(axes, 0, 6, -1.2, FIT)
    bar(axes, 12, 24, -1.2, FIT)
    note(axes, 25, -1.2, "student that is judged on block 1")
    axes.annotate("", xy=(9, -2.6), xytext=(9, -1.6), arrowprops={"arrowstyle": "->", "color": "#333333"})
    note(axes, 9.6, -2.1, "its margins, out of fold")
    bar(axes, 6, 12, -3.0, SCORED, "calibrates")
    note(axes, 0, -4.1, "target = (1 - w) label + w softened prediction; w = 0 (no teacher) is a candidate")


if __name__ == "__main__":
    main()
