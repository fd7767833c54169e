"""One teacher of several symbols: its symbols, the order of its rows, and the targets of each symbol's student."""

from datetime import date

import numpy as np
import pytest

from schemas.contract.window import SkipReason, Window
from tests.strategies import daily_walk, part, training_settings
from tests.workers.learning.targets import counts_for, student_for
from workers.bars.series import Series
from workers.learning.base_rate import base_rates
from workers.learning.history import History, prepare, select_rows
from workers.learning.label_table import label_columns
from workers.learning.skip import Skip
from workers.learning.window import TrainedTeacher, fit_window_teacher

SETTINGS = training_settings(scope="panel")
WINDOW = Window(symbol="PANEL", start=date(2021, 7, 1), end=date(2022, 3, 1), score_end=date(2022, 6, 1))


def panel(**series: Series) -> tuple[dict[str, History], TrainedTeacher]:
    """Symbols' histories, and the teacher of all of them."""
    histories = {symbol: prepare(each, SETTINGS) for symbol, each in series.items()}
    return histories, fit_window_teacher(histories, WINDOW, SETTINGS, counts_for(histories, WINDOW, SETTINGS), "cpu")


def test_rows_of_all_symbols_are_in_order_of_time() -> None:
    """Rows are ordered by decision, then symbol; a symbol that starts late or ends early has fewer rows."""
    whole = daily_walk(520)
    histories, trained = panel(A=whole, B=part(daily_walk(520, seed=1), slice(60, None)), C=daily_walk(470, seed=2))
    columns = label_columns(histories, trained)
    order = list(zip(np.asarray(columns["timestamp"]).tolist(), columns["symbol"], strict=True))
    assert order == sorted(order)
    for symbol, history in histories.items():
        mine = np.array([name == symbol for name in columns["symbol"]])
        assert np.asarray(columns["row"])[mine].tolist() == select_rows(history, WINDOW, SETTINGS).train.tolist()
        t0 = history.labels.t0[np.asarray(columns["row"])[mine]]
        assert np.asarray(columns["close"])[mine].tolist() == history.series.close[t0].tolist()


def test_days_are_apart_for_all_symbols_together() -> None:
    """No label of any symbol that was fitted reaches the tail's first day of any other."""
    _, trained = panel(A=daily_walk(520), B=part(daily_walk(520, seed=1), slice(1, None)))
    assert trained.certificate.violations == ()
    sample, split = trained.sample, trained.split
    assert set(sample.member[split.fit]) == set(sample.member[split.tail]) == {0, 1}
    assert sample.t1[split.fit].max() < sample.t0[split.tail].min()


def test_a_symbol_without_rows_is_left_out() -> None:
    """A symbol whose bars end before the window is left out; its labels count in the base rates all the same."""
    gone = part(daily_walk(520, seed=3), slice(0, 150))
    _, with_gone = panel(A=daily_walk(520), B=daily_walk(520, seed=1), GONE=gone)
    _, without = panel(A=daily_walk(520), B=daily_walk(520, seed=1))
    assert with_gone.sample.symbols == ("A", "B")
    assert with_gone.sample.x.tobytes() == without.sample.x.tobytes()
    assert with_gone.sample.known[1, :2].tolist() == without.sample.known[1].tolist()
    assert with_gone.sample.known[1, 2] > 20


def test_a_panel_without_any_rows_is_skipped() -> None:
    """If no symbol has rows, the reason is that of the first symbol."""
    short = part(daily_walk(520), slice(0, 150))
    with pytest.raises(Skip) as caught:
        panel(A=short, B=short)
    assert caught.value.reason is SkipReason.NO_DATA


def test_each_student_learns_from_its_own_rows() -> None:
    """The student of each symbol learns from its own rows and predictions, and is scored on its own days."""
    histories, trained = panel(A=daily_walk(520), B=daily_walk(520, seed=1))
    counts = counts_for(histories, WINDOW, SETTINGS)
    shares, _ = base_rates(*np.array([counts[symbol] for symbol in histories]).T)
    for share, (symbol, history) in zip(shares, histories.items(), strict=True):
        window = WINDOW.model_copy(update={"symbol": symbol})
        student = student_for(histories, window, SETTINGS, trained)
        assert student.data.sample.row.tolist() == trained.targets((symbol,)).row.tolist()
        assert student.scored.row.tolist() == select_rows(history, window, SETTINGS).scored.tolist()
        assert student.priors == {symbol: pytest.approx(share)}


def test_one_symbols_panel_is_that_symbols_teacher() -> None:
    """A panel of one symbol is trained as the symbol alone: the same bytes."""
    _, alone = panel(A=daily_walk(520))
    settings = training_settings()
    histories = {"A": prepare(daily_walk(520), settings)}
    own = fit_window_teacher(histories, WINDOW, settings, counts_for(histories, WINDOW, settings), "cpu")
    assert alone.teacher.model.encode(()) == own.teacher.model.encode(())
    assert alone.own.tobytes() == own.own.tobytes()


def test_features_that_are_not_kept_are_the_same() -> None:
    """Those of a large panel are computed at each use; its process keeps none of them."""
    kept, fresh = (prepare(daily_walk(200), SETTINGS, kept=each) for each in (True, False))
    assert kept.features is kept.features and fresh.features is not fresh.features
    assert kept.features.tobytes() == fresh.features.tobytes()
    assert kept.raw["obv"].tobytes() == fresh.raw["obv"].tobytes()
