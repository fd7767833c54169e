"""Labels of plug-in files: what they read, their form, their spans in splits and certificate, and their identity."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from schemas.config.features import Plugged, Plugin
from schemas.config.label_identity import label_identity
from schemas.config.training import TrainingSettings
from schemas.contract.errors import DataError, RequestError
from schemas.contract.feature_check import FeatureCheck
from schemas.contract.plugin_source import PLUGINS_ENV, plugin_digest
from schemas.contract.requests import PluginQuestion
from schemas.contract.window import Window
from tests.strategies import daily_walk, training_settings
from tests.workers.learning.targets import counts_for
from workers.features.analysis import Analysis
from workers.inspection.plugins import inspect
from workers.learning.computed_again import changed_without_later_bars
from workers.learning.history import prepare
from workers.learning.label_analysis import check_label
from workers.learning.labels import label
from workers.learning.plugged_label import labels_here
from workers.learning.refused_label import refuse_faulty_label
from workers.learning.window import fit_window_teacher

ZOO = Path(__file__).parent / "label_zoo.py"
BARS = daily_walk(420)
WINDOW = Window(symbol="A", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))
UP = "    return bars['close'].shift(-10) / bars['close'] > 1\n"
EARLY = """    value = bars['close'].shift(-3) / bars['close'] > 1
    return value, np.where(value, 3, 10)
"""
Write = Callable[..., TrainingSettings]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write ideas.py with a label `mine` of this body, give it to this process; returns settings that use it."""

    def written(body: str, horizon: int = 10, *, of_values: bool = False, **changes: object) -> TrainingSettings:
        # A process loads a file once, so each has a folder of its own.
        path = tmp_path / str(len(list(tmp_path.iterdir()))) / "ideas.py"
        path.parent.mkdir()
        target = ", target='value'" if of_values else ""
        head = f"import gurukul as gk\nimport numpy as np\n@gk.label(horizon={horizon}{target})\ndef mine(bars):\n"
        path.write_text(head + body)
        monkeypatch.setenv(PLUGINS_ENV, str(path))
        values = ("mine",) if of_values else ()
        plugin = Plugin(name="ideas", sha256=plugin_digest(str(path)), labels=("mine",), value_labels=values)
        plugged = Plugged(timezone="UTC", plugins=(plugin,))
        return training_settings(label="mine", horizon_bars=horizon, plugged=plugged, **changes)

    return written


def checked() -> dict[str, FeatureCheck]:
    """The checks of all labels of this process's plug-ins, on one symbol."""
    return {name: check_label({"A": BARS}, each, "UTC", 1, Analysis()) for name, each in labels_here().items()}


def test_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 10 labels that read bars after their end is refused for that, with a bar and two values; 10 others pass.

    The check of a run, which cuts less often, refuses them too.
    """
    monkeypatch.setenv(PLUGINS_ENV, str(ZOO))
    found = checked()
    leaking = {name: each.faults for name, each in found.items() if name.startswith("leaking_")}
    honest = {name: each.faults for name, each in found.items() if name.startswith("honest_")}
    assert len(leaking) == len(honest) == 10
    assert not {
        name: faults for name, faults in leaking.items() if not faults or "after its end: A at" not in faults[0]
    }
    assert not {name: faults for name, faults in honest.items() if faults}
    plugin = Plugin(name="label_zoo", sha256=plugin_digest(str(ZOO)), labels=tuple(found))
    for name in leaking:
        each = labels_here()[name]
        settings = training_settings(
            label=name, horizon_bars=each.horizon_bars, plugged=Plugged(timezone="UTC", plugins=(plugin,))
        )
        with pytest.raises(DataError, match=rf"label {name} of .*label_zoo.py line \d+: .* nothing was trained"):
            refuse_faulty_label({"A": prepare(BARS, settings)}, settings)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    return bars['adj_close']\n", r"ideas.py line 5: KeyError: 'adj_close' \(in label mine"),
        ("    return bars['close'].iloc[1:]\n", "another index than the bars"),
        ("    return bars['close'].to_numpy()[1:]\n", r"shape \(419,\); return one value per bar, shape \(420,\)"),
        ("    return ['up'] * len(bars)\n", "ideas.py: ValueError: could not convert"),
        (
            "    return bars['close'] * 0 + np.inf\n",
            "line 3: label mine of A is inf at 2020-10-01; a label is 0, 1 or NaN",
        ),
        (
            "    return bars['close'].shift(-10) / bars['close'] - 1\n",
            "is -?0.0.* at 2020-10-01; a label is 0, 1 or NaN",
        ),
        (
            "    return bars['close'] > 0, np.full(len(bars), -3)\n",
            "ends -3 bars after 2020-10-01; .* from 1 to horizon=10",
        ),
        ("    return bars['close'] > 0, np.full(len(bars), 11)\n", "ends 11 bars after"),
        ("    return bars['close'] > 0, np.full(len(bars), np.nan)\n", "ends nan bars after"),
        ("    return bars['close'] > 0\n", "it is 1 on every bar of these symbols"),
        ("    return bars['close'] * np.nan\n", "no bar of these symbols has a label"),
    ],
)
def test_a_faulty_label_is_named_with_its_line(write: Write, body: str, words: str) -> None:
    """Whatever a function raises or returns is one fault of its check, with the file, the line and the first bar."""
    write(body)
    (fault,) = checked()["mine"].faults
    with pytest.raises(RequestError, match=words):
        raise RequestError(fault)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("@gk.label(horizon='10')\ndef f(bars): ...", "line 2: TypeError: horizon is a number of bars"),
        ("@gk.label(horizon=0)\ndef f(bars): ...", "line 2: ValueError: horizon is a number of bars from 1 to 500"),
        ("@gk.label(horizon=5, name='rank')\ndef f(bars): ...", "'rank' has the name of a built-in one"),
        ("@gk.label(horizon=5, name='a b')\ndef f(bars): ...", "use letters, digits and _ only"),
        (2 * "@gk.label(horizon=5)\ndef f(bars): ...\n", "'f' is defined twice"),
        ("@gk.label(horizon=5)\ndef mines(bars): ...", "there is no label mine; did you mean mines"),
    ],
)
def test_a_faulty_declaration_is_refused_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    """At the file's import, or when the run's label is looked up."""
    path = tmp_path / "ideas.py"
    path.write_text(f"import gurukul as gk\n{code}\n")
    monkeypatch.setenv(PLUGINS_ENV, str(path))
    with pytest.raises(RequestError, match=words):
        raise RequestError(str(inspect(PluginQuestion(features=("own",), label="mine")).error))


@pytest.mark.parametrize(
    "body",
    [
        "    return moved[::-1].rolling(10).sum()[::-1].shift(-1)\n",
        "    return bars['close'][::-1].rolling(10).mean()[::-1].shift(-1) / bars['close'] - 1\n",
    ],
)
def test_the_rounding_of_a_sum_that_rolls_back_is_no_leak(
    write: Write, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    """On prices of whole ticks such a sum is 0 where the price returns, and 1e-16 with other bars after its end."""
    ticks = {name: np.round(getattr(BARS, name)) for name in ("open", "high", "low", "close")}
    monkeypatch.setattr(f"{__name__}.BARS", replace(BARS, **ticks))
    settings = write(f"    moved = np.log(bars['close']).diff()\n{body}", of_values=True, student="linear")
    assert not checked()["mine"].faults
    known = {"A": prepare(BARS, settings)}
    assert changed_without_later_bars(known, {"A": np.arange(150, 250)}, settings) == []


def test_values_and_spans_are_the_user_s(write: Write) -> None:
    """Classes and ends are those that the function returned, NaN is no label, and a trade ends where its label does."""
    settings = write("    up = bars['close'].shift(-3) / bars['close'] > 1\n    odd = bars.index.dayofweek == 1\n"
                     "    return up.astype(float).where(~odd), np.where(up, 3, 7)\n", entry="close")  # fmt: skip
    found = label(BARS, settings)
    weekday = (BARS.session[found.t0] + 3) % 7  # day 0 of the session's numbers was a Thursday
    assert 1 not in weekday and len(found) == sum((BARS.session[: len(BARS) - 10] + 3) % 7 != 1)
    assert found.y.tolist() == (BARS.close[found.t0 + 3] > BARS.close[found.t0]).astype(int).tolist()
    assert found.t1.tolist() == (found.t0 + np.where(found.y == 1, 3, 7)).tolist()
    assert found.forward_return.tolist() == (BARS.close[found.t1] / BARS.close[found.t0] - 1).tolist()


def test_spans_drive_purge_and_certificate(write: Write) -> None:
    """The purge keeps the declared horizon free, however early labels ended; no fitted label reaches the tail."""
    series = daily_walk(520)
    purged = {}
    for horizon in (10, 40):
        settings = write(EARLY, horizon)
        histories = {"A": prepare(series, settings)}
        trained = fit_window_teacher(histories, WINDOW, settings, counts_for(histories, WINDOW, settings), "cpu")
        sample, split = trained.sample, trained.split
        assert (sample.t1 - sample.t0 == horizon).all()
        assert sample.t1[split.fit].max() < sample.t0[split.tail].min()
        ended = histories["A"].labels.t1[sample.row]
        assert set(ended - histories["A"].labels.t0[sample.row]) == {3, 10}
        assert trained.certificate.violations == () and trained.certificate.spans_checked > 0
        purged[horizon] = len(split.purged)
    assert purged[40] - purged[10] == 30


def test_the_certificate_computes_labels_again(write: Write) -> None:
    """A label that reads bars after the window's last horizon is named by the certificate; an honest one is not."""
    for body, faults in ((UP, 0), ("    return bars['close'] > bars['close'].shift(-10).mean()\n", 1)):
        settings = write(body)
        history = prepare(BARS, settings)
        rows = np.flatnonzero(history.labels.t0 >= 150)[:60]
        found = changed_without_later_bars({"A": history}, {"A": rows}, settings)
        assert len(found) == faults and all("labels are others without the bars" in each for each in found)


def test_a_label_of_another_file_is_refused(write: Write) -> None:
    """The digest is compared before a label is computed, and decides whether two runs have the same labels."""
    began = write(UP)
    changed = write(UP.replace("> 1", "> 1.01"))
    with pytest.raises(RequestError, match=r"made with another ideas\.py"):
        label(BARS, began)
    assert label_identity(began) != label_identity(changed)
    assert label_identity(changed) == label_identity(changed.model_copy(update={"threshold": 0.5, "stop_loss": 3.0}))
    assert changed.label_rule == "a label is 1 where mine of ideas.py is 1, known at most 10 bars after the decision"


MOVED = "    return np.log(bars['close'].shift(-10) / bars['close'])\n"


def test_a_label_of_values_is_any_finite_number_and_is_checked_as_classes_are(write: Write) -> None:
    """It is stored as returned, described by mean and deviation, and refused where it reads beyond its end."""
    settings = write(MOVED, of_values=True, student="linear")
    found = label(BARS, settings)
    assert found.y == pytest.approx(np.log(BARS.close[found.t0 + 10] / BARS.close[found.t0]))
    assert "the value of mine of ideas.py" in settings.label_rule
    (check,) = checked().values()
    assert check.faults == () and "have the mean" in check.notes[0]
    refuse_faulty_label({"A": prepare(BARS, settings)}, settings)
    late = write(MOVED.replace("-10", "-11"), of_values=True, student="linear")
    with pytest.raises(DataError, match="reads bars after its end"):
        refuse_faulty_label({"A": prepare(BARS, late)}, late)


def test_a_number_is_a_label_of_values_alone(write: Write) -> None:
    """A class must be 0 or 1, and the message names the way out; an infinite value is none."""
    with pytest.raises(DataError, match=r'a label is 0, 1 or NaN; a value needs @gk.label\(target="value"\)'):
        label(BARS, write(MOVED))
    with pytest.raises(DataError, match="a label is a finite number or NaN"):
        label(BARS, write("    return np.full(len(bars), np.inf)\n", of_values=True, student="linear"))
