"""Features of plug-in files: columns, values, errors with the user's line, and the newest bar."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schemas.config.features import FeatureChoice, Plugged, Plugin
from schemas.contract.errors import DataError, GurukulError, RequestError
from schemas.contract.feature_check import FeatureCheck
from schemas.contract.plugin_source import PLUGINS_ENV, plugin_digest
from schemas.contract.requests import PluginQuestion
from tests.strategies import daily_walk, training_settings
from workers.bars.series import Series
from workers.features.chosen import features_of, names_of
from workers.features.cross_section import centred_ranks
from workers.features.pandas_bars import frame_of_bars
from workers.features.plugged import PluggedFeature
from workers.inspection import plugins
from workers.inspection.plugins import inspect
from workers.learning import refused_features
from workers.learning.computed_again import changed_without_later_bars
from workers.learning.history import prepare, prepare_panel
from workers.learning.refused_features import refuse_faulty_features
from workers.serving.features import newest_cross_section, newest_features

HEAD = "import gurukul as gk\nimport numpy as np\n"
GAP = """
@gk.feature(warmup=60)
def gap(bars):
    "close / highest high of 60 bars - 1"
    return bars["close"] / bars["high"].rolling(60).max() - 1
"""
BESIDE = """
@gk.feature(warmup=1, panel=True)
def beside(bars):
    moved = bars["close"].pct_change(fill_method=None)
    return moved.sub(moved.mean(axis=1), axis=0)
"""
PANEL = {name: daily_walk(220, seed) for seed, name in enumerate("ABCDEF")}
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write ideas.py with this code below HEAD, and give it to this process; returns its path."""

    def written(code: str, name: str = "ideas") -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + code)
        monkeypatch.setenv(PLUGINS_ENV, str(path))
        return str(path)

    return written


def chosen(path: str, *names: str, panel: tuple[str, ...] = (), timezone: str = "UTC") -> FeatureChoice:
    """These features, with the plug-in at `path`."""
    plugin = Plugin(name=Path(path).stem, sha256=plugin_digest(path), panel_features=panel)
    return FeatureChoice(names=names, plugged=Plugged(timezone=timezone, plugins=(plugin,)))


def test_columns_have_the_order_of_the_names(write: Write) -> None:
    """Sets and names in any order, each column once; ranks of a plug-in's feature like those of built-in ones."""
    path = write(GAP + BESIDE)
    mixed = chosen(path, "gap", "rank_gap", "minimal", "return_1", "beside", "beta", panel=("beside",))
    names = names_of(mixed)
    assert names[:3] == ("gap", "rank_gap", "return_1") and names[-2:] == ("beside", "beta") and len(set(names)) == 10
    found = features_of(PANEL, mixed, intraday=False)
    alone = features_of(PANEL, chosen(path, "minimal", "gap"), intraday=False)
    assert all(found[symbol][:, 0].tobytes() == alone[symbol][:, -1].tobytes() for symbol in PANEL)
    ranked = centred_ranks(np.array([[values[-1, 0] for values in found.values()]]))[0]
    assert [values[-1, 1] for values in found.values()] == ranked.tolist()
    closes = np.array([series.close for series in PANEL.values()])
    moved = closes[:, -1] / closes[:, -2] - 1
    assert [values[-1, 8] for values in found.values()] == pytest.approx((moved - moved.mean()).tolist())


def test_a_panel_s_function_sees_the_members_of_each_bar(write: Write) -> None:
    """Bars on which a symbol does not belong to the universe are NaN in the panel, and there for its own features."""
    mixed = chosen(write(GAP + BESIDE), "beside", "gap", panel=("beside",))
    left = replace(PANEL["F"], member=np.arange(len(PANEL["F"])) < 150)
    found, whole = (features_of(each, mixed, intraday=False) for each in ({**PANEL, "F": left}, PANEL))
    without = features_of({name: PANEL[name] for name in "ABCDE"}, mixed, intraday=False)
    assert found["A"][151:].tobytes() == without["A"][151:].tobytes() != whole["A"][151:].tobytes()
    assert found["A"][:150].tobytes() == whole["A"][:150].tobytes()
    assert np.isnan(found["F"][150:, 0]).all() and found["F"][:, 1].tobytes() == whole["F"][:, 1].tobytes()


def test_the_newest_bar_has_the_values_of_training(write: Write) -> None:
    """Bit for bit: alone, and compared with a panel in which one symbol lacks the newest bar."""
    path = write(GAP + BESIDE)
    own = chosen(path, "gap", "own")
    series = list(PANEL.values())
    expected = [features_of({"": each}, own, intraday=False)[""][-1] for each in series]
    assert newest_features(series, False, own).tobytes() == np.array(expected).tobytes()
    both = chosen(path, "beside", "rank_beside", "rank_gap", "gap", "market_return", panel=("beside",))
    panel = {**PANEL, "F": PANEL["F"].upto(219)}
    whole = features_of(panel, both, intraday=False)
    newest = newest_cross_section(list(panel.values()), False, both)
    assert newest[:5].tobytes() == np.array([whole[name][-1] for name in "ABCDE"]).tobytes()
    assert np.isnan(newest[5]).all()


def test_bars_are_indexed_by_the_exchange_s_time() -> None:
    """Midnight in India is 18:30 UTC of the day before; the function sees the day of the exchange."""
    series = daily_walk(3)
    moved = Series(series.timestamp - 5 * 3600 * 10**6 - 1800 * 10**6, *list(vars(series).values())[1:])
    bars = frame_of_bars(moved, "Asia/Kolkata")
    assert [str(each.date()) for each in bars.index] == [str(np.datetime64(int(day), "D")) for day in series.session]
    assert list(bars.columns) == ["open", "high", "low", "close", "volume"] and bars.index[0].hour == 0


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("    raise ValueError('no data')", r"ideas.py line 6: ValueError: no data \(in feature f of A\)"),
        ("    return bars['adj_close']", r"ideas.py line 6: KeyError: 'adj_close'"),
        ("    import sys\n    sys.exit(3)", r"ideas.py line 7: exit: 3 \(in feature f of A\)"),
        ("    return bars['close'].values[1:]", r"has shape \(219,\); return one value per bar, shape \(220,\)"),
        ("    return bars['close'].iloc[::-1]", "Series with another index than the bars"),
        ("    return bars", r"has shape \(220, 5\)"),
        ("    return None", r"shape \(\)"),
        ("    return ['x'] * len(bars)", "ideas.py: ValueError: could not convert"),
    ],
)
def test_a_faulty_function_is_named_with_its_line(write: Write, code: str, words: str) -> None:
    """Whatever a function raises or returns is one DataError, which no retry repeats; the process goes on."""
    path = write(f"\n@gk.feature(warmup=1)\ndef f(bars):\n{code}\n")
    with pytest.raises(DataError, match=words):
        features_of({"A": PANEL["A"]}, chosen(path, "f"), intraday=False)


def test_a_function_may_change_its_bars_and_print(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """Each function has a copy of its own; what it prints is not on stdout, where answers are."""
    body = "    bars['close'] = 0.0\n    print('spoilt')\n    return bars['close']\n"
    path = write(f"\n@gk.feature(warmup=1)\ndef spoil(bars):\n{body}{GAP}")
    found = features_of({"A": PANEL["A"]}, chosen(path, "spoil", "gap"), intraday=False)["A"]
    assert (found[:, 0] == 0.0).all() and np.isfinite(found[60:, 1]).all()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("1 / 0", r"ideas.py line 3: ZeroDivisionError: division by zero \(while it was imported\)"),
        ("import absent_library", "ideas.py line 3: ModuleNotFoundError: No module named 'absent_library'"),
        ("raise SystemExit(1)", "ideas.py line 3: exit: 1"),
        ("bytearray(1 << 60)", r"ideas.py line 3: out of memory \(while it was imported\)"),
        ("A = 1", r"defines nothing; mark a function"),
        (
            "@gk.feature\ndef f(bars): ...",
            "line 3: TypeError: arguments are missing or have no names; write @gk.feature",
        ),
        ("@gk.label\ndef f(bars): ...", "have no names; write @gk.label.horizon=10"),
        ("@gk.feature(60)\ndef f(bars): ...", "have no names; write @gk.feature.warmup=60"),
        ("@gk.feature(warmup='60')\ndef f(bars): ...", "line 3: TypeError: warmup is a number of bars"),
        ("@gk.feature(warmup=-1)\ndef f(bars): ...", "line 3: ValueError: warmup is a number of bars, 0 or more"),
        ("@gk.feature(warmup=400)\ndef f(bars): ...", "needs 400 bars of warm-up, and windows leave 150"),
        ("@gk.feature(warmup=1)\ndef rsi_14(bars): ...", "'rsi_14' has the name of a built-in one; give name="),
        ("@gk.feature(warmup=1, name='a b')\ndef f(bars): ...", "use letters, digits and _ only"),
        (GAP + GAP, "'gap' is defined twice"),
    ],
)
def test_a_faulty_file_is_refused_before_a_run(write: Write, code: str, words: str) -> None:
    """At its import, with the file and the line."""
    write(code)
    report = inspect(PluginQuestion(features=("own",)))
    assert report.error is not None
    with pytest.raises(RequestError, match=words):
        raise RequestError(report.error)


def test_what_hangs_meets_a_limit(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its import, with its line; the parent's own limit ends what no signal reaches."""
    monkeypatch.setattr(plugins, "IMPORT_LIMIT_S", 0.05)
    write("while True: pass")
    assert "ideas.py line 3: TimeoutError: it took over 0.05 s" in str(inspect(PluginQuestion(features=("own",))).error)


def test_a_report_names_columns_and_idle_plug_ins(write: Write) -> None:
    """A file whose features are not asked for is idle; a name that does not exist has near ones."""
    path = write(GAP + BESIDE)
    assert inspect(PluginQuestion(features=("own",))).idle == {path: "--features own,gap"}
    report = inspect(PluginQuestion(features=("rank_gap", "beside")))
    assert report.columns == ("rank_gap", "beside") and report.plugins[0].panel_features == ("beside",)
    assert not report.idle and report.features[-2].formula == "close / highest high of 60 bars - 1"
    assert "did you mean gap" in str(inspect(PluginQuestion(features=("gapp",))).error)


def test_another_file_than_the_run_s_is_refused(write: Write) -> None:
    """The digest is compared before a value is computed; without the file the error names what to give."""
    began = chosen(write(GAP, "first"), "gap")
    write(GAP.replace("60", "61"), "first")
    with pytest.raises(RequestError, match=r"made with another first\.py than .*first\.py"):
        names_of(began)
    write(GAP, "second")
    with pytest.raises(RequestError, match=r"needs the plug-in first\.py.* give --plugins"):
        names_of(began)


def test_the_certificate_covers_plug_ins(write: Write) -> None:
    """A function that reads the next bar is named by the certificate of its window; an honest one is not."""
    ahead = "\n@gk.feature(warmup=1)\ndef ahead(bars):\n    return bars['close'].shift(-1) / bars['close']\n"
    path = write(GAP + ahead)
    plugged = chosen(path, "gap", "ahead").plugged
    settings = training_settings(features="gap,ahead", plugged=plugged)
    history = prepare(PANEL["A"], settings)
    rows = np.flatnonzero(history.labels.t0 >= 150)[:40]
    (sentence,) = changed_without_later_bars({"A": history}, {"A": rows}, settings)
    assert sentence.startswith("A: feature ahead reads past its bar: 1 values")


def test_nothing_is_trained_with_a_feature_that_reads_ahead(write: Write) -> None:
    """The analysis on a window's own bars names the file, the feature, a bar and two values; honest ones pass."""
    path = write(
        GAP + "\n@gk.feature(warmup=1)\ndef ahead(bars):\n    return bars['close'].shift(-1) / bars['close']\n"
    )
    for name, faulty in (("gap", False), ("rank_ahead", True)):
        settings = training_settings(features=name, plugged=chosen(path, name).plugged)
        histories = {"A": prepare(PANEL["A"], settings)}
        if not faulty:
            refuse_faulty_features(histories, settings)
            continue
        with pytest.raises(
            DataError, match=r"feature ahead of .*ideas\.py: it reads later bars: .* nothing was trained"
        ):
            refuse_faulty_features(histories, settings)


def test_a_panel_is_checked_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of a symbol's own bars are checked on each symbol; those that take the panel once, not per symbol."""
    path = write(GAP + BESIDE)
    both = chosen(path, "gap", "beside", panel=("beside",))
    settings = training_settings(features="gap,beside", plugged=both.plugged)
    checked: list[tuple[int, str]] = []

    def checks(panel: dict[str, Series], features: list[PluggedFeature], *_: object) -> list[FeatureCheck]:
        checked.extend((len(panel), each.name) for each in features)
        return []

    monkeypatch.setattr(refused_features, "check_features", checks)
    refuse_faulty_features(prepare_panel(PANEL, settings), settings)
    assert checked == [*[(1, "gap")] * len(PANEL), (len(PANEL), "beside")]


def test_errors_are_of_the_tree() -> None:
    """An unknown feature without any plug-in is a request that cannot be carried out."""
    with pytest.raises(GurukulError, match="there is no feature rsi; did you mean rsi_14"):
        names_of(FeatureChoice(names=("rsi",)))
