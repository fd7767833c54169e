"""`orchestrator new`."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.contract.errors import RequestError

EXAMPLE = '''"""Features, a label, a model and a gate of my own; docs/plugins.md explains them.

orchestrator check {name} --source sample
orchestrator run --plugins {name} --features own,gap_to_high,week_before
orchestrator run --plugins {name} --student Centres --set student.temper=20
orchestrator run --plugins {name} --label new_high
"""

import json
from dataclasses import dataclass

import gurukul as gk
import numpy as np


# `bars` is a pandas DataFrame of one symbol: open, high, low, close, volume, indexed by each bar's time.
# Return one value per bar that depends on this bar and earlier ones alone. `warmup` is how many earlier ones.
@gk.feature(warmup=60)
def gap_to_high(bars):
    """close / highest high of 60 bars - 1"""
    return bars["close"] / bars["high"].rolling(60).max() - 1


# A value of a whole week is known when the week has ended, so it is shifted by one week before it is spread over days.
# It depends on how the first week of the history begins, so its warm-up is "all".
@gk.feature(warmup="all")
def week_before(bars):
    """close / last close of the week before - 1"""
    weekly = bars["close"].resample("W-FRI").last().shift(1)
    return bars["close"] / weekly.reindex(bars.index, method="ffill") - 1


# With panel=True the function sees all symbols: bars["close"] has one column per symbol, NaN where it has no bar.
# To use it: --features own,beside_market, with at least 5 symbols and --scope panel.
@gk.feature(warmup=1, panel=True)
def beside_market(bars):
    """return less the mean return of all symbols"""
    moved = bars["close"].pct_change(fill_method=None)
    return moved.sub(moved.mean(axis=1), axis=0)


# A kind of model for --teacher and --student. `x` has one row per decision and one column per feature, NaN where one is
# missing; `y` is 0 or 1. The weights make both classes equally likely, so that the model learns what features add.
@gk.model("teacher", "student")
class Centres:
    """which class's mean of each feature is nearer (a diagonal linear discriminant)"""

    @dataclass
    class Parameters:
        temper: float = 10.0  # --set student.temper=20 makes it half as sure

    def __init__(self, centre, slope):
        self.centre, self.slope = centre, slope

    @classmethod
    def fit(cls, x, y, weight, parameters, seed):
        rows = np.ma.masked_invalid(x)
        low, high = (
            np.ma.average(rows[y == each], axis=0, weights=weight[y == each]).filled(0.0) for each in (0, 1)
        )
        spread = rows.var(axis=0).filled(1.0) + 1e-9
        return cls((low + high) / 2, (high - low) / spread / parameters.temper)

    def predict(self, x):
        """The probability of class 1 of each row."""
        return 1 / (1 + np.exp(-np.nansum((x - self.centre) * self.slope, axis=1)))

    def encode(self):
        """Bytes for the model's file. No pickle: a file that is read must run no code."""
        return json.dumps([self.centre.tolist(), self.slope.tolist()]).encode()

    @classmethod
    def decode(cls, content):
        return cls(*(np.array(each) for each in json.loads(content)))


# A gate judges every run of this file by what the built-in gates see. A failure is a warning, with decides=True it
# rejects the run. To try it on a run that was judged: orchestrator check {name} --source sample --run RUN_ID
@gk.gate("Does the student trade at most its capital per day?")
def turnover(evidence):
    traded = evidence.validation.trading["student"].turnover_a_day
    return gk.criterion("daily turnover", traded, f"{traded:.3g} times its capital per day", at_most=1.0)


# Values beside the bars come from files (docs/data.md). side["flows"] has the values known at each bar's decision.
# To use it, write flows.csv with the columns time and net, take the # away, and give
# --features own,flow --side flows=flows.csv --side-lag flows=1d
#
# @gk.feature(warmup=20, side="flows")
# def flow(bars, side):
#     """mean of 20 bars of net flow"""
#     return side["flows"]["net"].rolling(20).mean()


# A label is what models learn to predict: 1, 0, or NaN for none. It may read `horizon` bars after its own, and no more.
# To use it: --label new_high
@gk.label(horizon=10)
def new_high(bars):
    """a close of the next 10 bars is above the highest high of the last 60"""
    best = bars["close"].rolling(10).max().shift(-10)
    return (best > bars["high"].rolling(60).max()).where(best.notna())


# With panel=True it sees all symbols, as a feature does, and may take side data in the same way.
# To use it: --label above_mean, with at least 5 symbols.
@gk.label(horizon=10, panel=True)
def above_mean(bars):
    """the close in 10 bars has risen by more than the mean of all symbols"""
    moved = bars["close"].shift(-10) / bars["close"]
    return moved.gt(moved.mean(axis=1), axis=0).where(moved.notna())
'''


def new(file: Annotated[Path, typer.Argument(help="File to write, such as ideas.py.")]) -> None:
    """Write a file with examples of plug-ins of all kinds, ready to run.

    \b
    Example:
      orchestrator new ideas.py
    """
    if file.suffix != ".py" or not file.stem.isidentifier():
        raise RequestError(f"{file} is no name of a Python module; write letters, digits and _, such as ideas.py")
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(EXAMPLE.replace("{name}", str(file)))
    except FileExistsError:
        raise RequestError(f"{file} exists already; give another name") from None
    except OSError as error:
        raise RequestError(f"{file} cannot be written: {error.strerror}; name one in a folder that exists") from None
    typer.echo(f"{file} is written; try: orchestrator check {file} --source sample")
