"""Labels of plug-in files that read side data or the bars of all symbols: their zoo, their ends, their universe."""

import re
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from schemas.config.features import Plugged, Plugin
from schemas.config.label_identity import label_identity
from schemas.config.side import SideChoice, SideFile
from schemas.config.target import VALUE
from schemas.config.training import TrainingSettings
from schemas.contract.artifact import Certificate, LabelCount, TeacherMetadata
from schemas.contract.device import DEVICE_ENV, Device, DeviceKind
from schemas.contract.errors import DataError, RequestError
from schemas.contract.plugin_source import PLUGINS_ENV, plugin_digest
from schemas.contract.task import Role, WindowTask
from schemas.contract.universe import Stay, Universe
from schemas.contract.window import Window
from schemas.files.atomic import sha256_of, write_atomic
from schemas.files.layout import CERTIFICATE, METADATA, BarsLayout, RunLayout, side_file
from schemas.files.run_files import read_model
from tests.strategies import QUICK, daily_walk, part, training_settings
from tests.workers.side.by_time import join_by_time
from workers.bars.calendar import day_number, day_of
from workers.bars.clean import to_table
from workers.bars.series import Floats, Ints, Series
from workers.bars.store import encode as encode_bars
from workers.features.analysis import Analysis
from workers.handlers.train import train_student, train_teacher
from workers.learning.computed_again import changed_without_later_bars
from workers.learning.history import History, prepare, prepare_panel
from workers.learning.label_analysis import check_label
from workers.learning.labels import uniqueness
from workers.learning.plugged_label import PluggedLabel, labels_here
from workers.learning.refused_label import refuse_faulty_label
from workers.side.joined import SideData
from workers.side.store import encode, table_of, use_side_of
from workers.side.table import SHARED, SideTable
from workers.side.universe import marked

ZOO = Path(__file__).parent / "label_zoo_beside.py"
DAY = daily_walk(420).timestamp
HOUR_US = 3600 * 10**6
CLOSE_US = 10 * HOUR_US  # of the exchange, after midnight in UTC


def _panel() -> dict[str, Series]:
    """Six symbols: B lacks one bar in seven, C is listed late, D ends early."""
    panel = {name: daily_walk(420, seed) for seed, name in enumerate("ABCDEF")}
    panel["B"] = _rows(panel["B"], np.flatnonzero(np.arange(420) % 7 != 3))
    return panel | {"C": part(panel["C"], slice(160, 420)), "D": part(panel["D"], slice(0, 330))}


def _rows(series: Series, rows: Ints) -> Series:
    return Series(*(values[rows] for values in vars(series).values()))


def _shared(name: str, values: Floats, delay_us: int) -> SideTable:
    return table_of((name,), np.full(len(DAY), SHARED, dtype=object), DAY, DAY + delay_us, values[:, None], None)


def _tables() -> dict[str, SideTable]:
    """An index known at each close, flows known the day after, and quarterly earnings of each symbol."""
    rng = np.random.default_rng(3)
    owners, quarters = np.repeat(np.array(list(PANEL), dtype=object), 14), np.tile(DAY[::30], 6)
    eps = np.exp(rng.normal(0.0, 0.5, (len(owners), 1)))
    return {
        "index": _shared("close", 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, len(DAY)))), CLOSE_US),
        "flows": _shared("net", rng.normal(size=len(DAY)), 30 * HOUR_US),
        "earnings": table_of(("eps",), owners, quarters, quarters + CLOSE_US, eps, None),
    }


PANEL = _panel()
TABLES = _tables()
SIDE = SideData(TABLES, "NSE")


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, SideFile]:
    """The side data by name, stored where this process reads them."""
    found = {}
    for name, table in TABLES.items():
        content = encode(table)
        digest = sha256(content).hexdigest()
        write_atomic(side_file(tmp_path, name, digest), content)
        found[name] = SideFile(
            name=name, sha256=digest, columns=table.columns, by_symbol=table.by_symbol, lag_s=None, max_age_s=None
        )
    use_side_of(tmp_path)
    return found


def settings_for(label: PluggedLabel, stored: dict[str, SideFile], **changes: object) -> TrainingSettings:
    """Settings of a run of a label, as its preflight fills them in."""
    plugin = Plugin(
        name=Path(label.path).stem, sha256=plugin_digest(label.path), labels=(label.name,),
        value_labels=(label.name,) * (label.target == VALUE), panel_labels=(label.name,) * label.panel,
    )  # fmt: skip
    files = tuple(stored[name] for name in label.side)
    side = SideChoice(calendar="NSE", interval="1day", files=files) if files else None
    plugged = Plugged(timezone="UTC", plugins=(plugin,), label_side=side)
    student = "linear" if label.target == VALUE else "logistic"
    return training_settings(
        label=label.name, horizon_bars=label.horizon_bars, plugged=plugged, student=student, **changes
    )


def histories(settings: TrainingSettings, panel: dict[str, Series]) -> dict[str, History]:
    """Histories as a worker prepares them: of all symbols where labels compare them, else of B."""
    return prepare_panel(panel, settings) if settings.needs_panel else {"B": prepare(panel["B"], settings, symbol="B")}


def test_the_zoo(monkeypatch: pytest.MonkeyPatch, stored: dict[str, SideFile]) -> None:
    """Each label that reads bars of any symbol or side data after its end is refused, by `check` and before training.

    The message has a bar and two values. The honest ones pass, and the certificate finds nothing in them. `make check`
    takes one in three.
    """
    monkeypatch.setenv(PLUGINS_ENV, str(ZOO))
    labels = labels_here()
    assert sum(name.startswith("leaking_") for name in labels) == len(labels) / 2 == 10
    for name, each in list(labels.items())[:: 3 if QUICK else 1]:
        settings = settings_for(each, stored)
        known = histories(settings, PANEL)
        if name.startswith("honest_"):
            refuse_faulty_label(known, settings)
            rows = {symbol: np.flatnonzero(one.labels.t0 >= 150)[:60] for symbol, one in known.items()}
            labelled = {symbol: mine for symbol, mine in rows.items() if len(mine)}
            assert changed_without_later_bars(known, labelled, settings) == []
            continue
        bars = PANEL if each.panel else {"B": PANEL["B"]}
        (fault,) = check_label(bars, each, "UTC", 1, Analysis(), SIDE).faults
        assert re.match(r"it reads bars( and side data)? after its end: \w at 20.* with all bars.*, and .* when", fault)
        with pytest.raises(DataError, match=rf"label {name} of .*beside.py line \d+: .* nothing was trained"):
            refuse_faulty_label(known, settings)


Write = Callable[[str], PluggedLabel]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write ideas.py with a label `mine` of this code, and give it to this process."""

    def written(code: str) -> PluggedLabel:
        # A process loads a file once, so each has a folder of its own.
        path = tmp_path / "plugins" / str(len(list(tmp_path.glob("plugins/*")))) / "ideas.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"import gurukul as gk\n{code}")
        monkeypatch.setenv(PLUGINS_ENV, str(path))
        return labels_here()["mine"]

    return written


def test_a_join_by_time_would_be_found(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The analysis does not rest on the join: side data that are seen before they are known are beyond the end."""
    code = "    later = side['flows']['net'].shift(-5)\n    return (later > 0).where(later.notna())\n"
    label = write(f"@gk.label(horizon=5, side='flows')\ndef mine(bars, side):\n{code}")
    bars = {"A": PANEL["A"]}
    assert not check_label(bars, label, "UTC", 1, Analysis(), SIDE).faults
    join_by_time(monkeypatch)
    (fault,) = check_label(bars, label, "UTC", 1, Analysis(), SIDE).faults
    assert "reads bars and side data after its end" in fault


BEATS = """    moved = bars['close'].shift(-5) / bars['close'] - 1
    index = side['index']['close']
    return moved.sub(index.shift(-5) / index - 1, axis=0) > moved.sub(moved.mean(axis=1), axis=0)
"""


def test_a_window_is_trained_on_the_whole_panel_and_the_side_data(
    tmp_path: Path, write: Write, stored: dict[str, SideFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every symbol's bars and the file's digest are in the key; base rates are of the labels that were stored.

    The certificate holds. With a label that reads one bar further the window is refused instead.
    """
    monkeypatch.setenv(DEVICE_ENV, Device(name="cpu0@here", kind=DeviceKind.CPU, slots=1).model_dump_json())
    bars = {}
    for symbol, series in PANEL.items():
        path = BarsLayout.under(tmp_path, "1day").bars(symbol)
        write_atomic(path, encode_bars(to_table(series, np.ones(len(series)))))
        bars[symbol] = sha256_of(path)
    window = Window(symbol="A", start=date(2021, 7, 1), end=date(2022, 1, 3), score_end=date(2022, 4, 1))

    def task(role: Role, body: str) -> WindowTask:
        label = write(f"@gk.label(horizon=5, panel=True, side='index')\ndef mine(bars, side):\n{body}")
        settings = settings_for(label, stored, min_rows=20)
        return WindowTask(run_id="r", telemetry=False, role=role, window=window, settings=settings, bars=bars)

    for role, train in ((Role.TEACHER, train_teacher), (Role.STUDENT, train_student)):
        train(task(role, BEATS), tmp_path)
    folder = RunLayout.under(tmp_path, "r").artifact(window.label, Role.TEACHER)
    metadata = read_model(folder / METADATA, TeacherMetadata)
    assert set(metadata.bars_sha256) == set(metadata.label_counts) == set(PANEL)
    assert metadata.settings.plugged is not None and metadata.settings.plugged.side_files == (stored["index"],)
    known = prepare_panel(PANEL, metadata.settings)
    rows = known["B"].labels.t0 + 6 < np.searchsorted(PANEL["B"].session, day_number(window.end))
    t0, t1, y = (getattr(known["B"].labels, name)[rows] for name in ("t0", "t1", "y"))
    counted = metadata.label_counts["B"]
    assert isinstance(counted, LabelCount)
    assert counted.positives == pytest.approx((uniqueness(t0, t1) * y).sum())
    assert read_model(folder / CERTIFICATE, Certificate).violations == ()
    with pytest.raises(DataError, match=r"reads bars and side data after its end: .* nothing was trained"):
        train_teacher(task(Role.TEACHER, BEATS.replace("index.shift(-5)", "index.shift(-6)")), tmp_path)


def test_an_end_on_the_panel_is_the_first_bar_of_the_symbol_from_then(
    write: Write, stored: dict[str, SideFile]
) -> None:
    """A function counts rows of all symbols. B, which lacks some, ends at its next bar, never later than declared."""
    code = "def mine(bars):\n    up = bars['close'].shift(-3) > bars['close']\n    return up, up * 0 + 3\n"
    settings = settings_for(write(f"@gk.label(horizon=5, panel=True)\n{code}"), stored)
    labelled = prepare_panel(PANEL, settings)
    assert set(labelled["A"].labels.t1 - labelled["A"].labels.t0) == {3}
    labels, time = labelled["B"].labels, PANEL["B"].timestamp
    end = DAY[np.searchsorted(DAY, time[labels.t0]) + 3]
    assert set(labels.t1 - labels.t0) == {2, 3}
    assert (time[labels.t1] >= end).all() and (time[labels.t1 - 1] < end).all()


def test_a_label_ends_after_its_symbol_has_left_the_universe(write: Write, stored: dict[str, SideFile]) -> None:
    """The last decisions of A have labels; bars of B from before it joined count in no comparison."""
    left, joined = 240, 200
    days = [day_of(session) for session in PANEL["A"].session]
    always = (Stay(first=days[0]),)
    stays = {"A": (Stay(first=days[0], until=days[left]),), "B": (Stay(first=days[joined]),)}
    universe = Universe(stays=dict.fromkeys("CDEF", always) | stays)
    whole = {symbol: daily_walk(420, seed) for seed, symbol in enumerate("ABCDEF")}
    code = "def mine(bars):\n    moved = bars['close'].shift(-10) / bars['close']\n"
    code += "    return moved.sub(moved.mean(axis=1), axis=0)\n"
    settings = settings_for(write(f"@gk.label(horizon=10, panel=True, target='value')\n{code}"), stored)
    found = prepare_panel({symbol: marked(symbol, each, universe) for symbol, each in whole.items()}, settings)
    assert found["A"].labels.t0[found["A"].used].tolist() == list(range(left))
    assert found["B"].labels.t0[found["B"].used][0] == joined
    moved = {symbol: each.close[10:] / each.close[:-10] for symbol, each in whole.items()}
    for at, members in ((joined - 1, "ACDEF"), (joined, "ABCDEF"), (left - 1, "ABCDEF"), (left, "BCDEF")):
        mean = np.mean([moved[symbol][at] for symbol in members])
        assert found["C"].labels.y[at] == pytest.approx(moved["C"][at] - mean)


def test_what_a_label_reads_is_in_its_identity(write: Write, stored: dict[str, SideFile]) -> None:
    """Another content of its side data makes other labels, and a worker needs the library that knows closes."""
    label = write("@gk.label(horizon=10, side='index')\ndef mine(bars, side):\n    return side['index']['close'] > 0\n")
    settings = settings_for(label, stored)
    changed = settings_for(label, {"index": stored["index"].model_copy(update={"sha256": "0" * 64})})
    assert label_identity(settings) != label_identity(changed)
    assert "exchange_calendars" in settings.model_libraries and settings.feature_set.side is None
    assert settings.plugged is not None and settings.plugged.side_files == (stored["index"],)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("@gk.label(horizon=3, side='index')\ndef mine(bars): ...\n", "takes no parameter side"),
        ("@gk.label(horizon=3)\ndef mine(bars, side): ...\n", "takes side; declare which it reads"),
    ],
)
def test_a_declaration_without_its_parameter_is_refused(write: Write, code: str, words: str) -> None:
    """And one with the parameter alone."""
    with pytest.raises(RequestError, match=words):
        write(code)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("bars['close']['A'] > 0", "label mine of the panel is not a DataFrame with the index and the columns"),
        ("bars['close']", r"line 2: label mine of A is .* at 2020-10-01; a label is 0, 1 or NaN"),
        ("(bars['close'] > 0, bars['close'] * 0 + 4)", "label mine of A ends 4 bars after 2020-10-01"),
        ("bars['adj'] > 0", r"ideas.py line 4: KeyError: 'adj' \(in label mine of the panel\)"),
    ],
)
def test_a_faulty_label_of_the_panel_is_named(write: Write, body: str, words: str) -> None:
    """As for one symbol: the file, the line, and the first symbol and bar."""
    label = write(f"@gk.label(horizon=3, panel=True)\ndef mine(bars):\n    return {body}\n")
    (fault,) = check_label(PANEL, label, "UTC", 1, Analysis()).faults
    assert re.search(words, fault), fault


def test_a_comparison_of_too_few_symbols_is_noted(write: Write) -> None:
    """`check` on one symbol refuses no label that is constant there."""
    label = write("@gk.label(horizon=3, panel=True)\ndef mine(bars):\n    return bars['close'] < 0\n")
    found = check_label({"A": PANEL["A"]}, label, "UTC", 1, Analysis())
    assert found.faults == () and found.notes[-1] == "it compares 1 symbols here; a run needs at least 5"
