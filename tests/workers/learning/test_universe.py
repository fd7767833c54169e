"""Labels, features and rows of a panel whose symbols belong to a universe by date."""

from dataclasses import replace
from datetime import date

import numpy as np

from schemas.config.features import FeatureChoice
from schemas.contract.universe import Stay, Universe
from schemas.contract.window import Window
from tests.strategies import daily_walk, training_settings
from tests.workers.learning.targets import counts_for, student_for
from workers.bars.calendar import day_of
from workers.bars.series import COLUMNS, Series
from workers.features.chosen import features_of
from workers.features.cross_section import cross_section_names
from workers.learning.computed_again import changed_without_later_bars
from workers.learning.history import prepare_panel
from workers.learning.window import fit_window_teacher, training_rows
from workers.side.universe import marked

BARS, LEFT, JOINED = 340, 240, 200
WHOLE = {name: daily_walk(BARS, seed) for seed, name in enumerate("ABCDEFG")}
DAYS = [day_of(session) for session in WHOLE["A"].session]
ALWAYS = (Stay(first=DAYS[0]),)
# A leaves, B joins, and the others always belong.
UNIVERSE = Universe(
    stays=dict.fromkeys("CDEFG", ALWAYS)
    | {"A": (Stay(first=DAYS[0], until=DAYS[LEFT]),), "B": (Stay(first=DAYS[JOINED]),)}
)


def panel(bars: dict[str, Series] = WHOLE) -> dict[str, Series]:
    return {symbol: marked(symbol, series, UNIVERSE) for symbol, series in bars.items()}


def elsewhere(symbol: str, outside: slice) -> dict[str, Series]:
    """The panel with other bars of a symbol on days on which it does not belong."""
    columns = {name: getattr(WHOLE[symbol], name).copy() for name in COLUMNS}
    for values in columns.values():
        values[outside] *= np.linspace(1.0, 3.0, len(values[outside]))
    return panel(WHOLE | {symbol: replace(WHOLE[symbol], **columns)})


def test_a_bar_belongs_from_the_first_day_until_before_the_last() -> None:
    """Of A and B exactly the days of their stays; the mask follows the bars through cuts and leaves digests alone."""
    marks = panel()
    assert np.flatnonzero(marks["A"].member).tolist() == list(range(LEFT))
    assert np.flatnonzero(marks["B"].member).tolist() == list(range(JOINED, BARS))
    assert marks["B"].upto(JOINED + 1).member.sum() == 1
    assert marks["B"].digest(BARS) == WHOLE["B"].digest(BARS)


def test_bars_of_others_change_no_feature_of_the_members() -> None:
    """Ranks, market and dispersion at a bar are of the members of that bar: other bars of A after it left change none.

    A symbol's own history before it joined is its own: beta of B reads it.
    """
    chosen = FeatureChoice(names=("cross-section",))
    honest = features_of(panel(), chosen, False)
    changed = features_of(elsewhere("A", slice(LEFT, None)), chosen, False)
    for symbol in "BCDEFG":
        assert honest[symbol].tobytes() == changed[symbol].tobytes()
    alone = features_of({name: WHOLE[name] for name in WHOLE if name != "A"}, chosen, False)
    everybody = features_of(WHOLE, chosen, False)
    # Beta reads the market of the 60 bars before, when A was there.
    without = [column for column, name in enumerate(cross_section_names()) if not name.endswith("beta")]
    for symbol in "CDEFG":
        assert np.array_equal(honest[symbol][LEFT:, without], alone[symbol][LEFT:, without])
        assert not np.array_equal(honest[symbol][LEFT:], everybody[symbol][LEFT:])
    joined = honest["B"][JOINED:, cross_section_names().index("beta")]
    assert np.isfinite(joined).all()


def test_ranks_and_rows_are_of_members_alone() -> None:
    """No label that is decided outside a stay is used, and ranks are among the members: other bars of A change none."""
    settings = training_settings(label="rank", min_rows=20)
    honest, changed = (prepare_panel(each, settings) for each in (panel(), elsewhere("A", slice(LEFT + 1, None))))
    for history in honest.values():
        decided = history.labels.t0[history.used]
        assert history.series.member[decided].all() and len(decided)
        assert np.isnan(history.labels.rank[~history.series.member[history.labels.t0]]).all()
    for symbol in "BCDEFG":
        later = honest[symbol].labels.t0 >= LEFT
        assert np.array_equal(honest[symbol].labels.rank[later], changed[symbol].labels.rank[later], equal_nan=True)


def test_a_panel_learns_from_what_has_left() -> None:
    """A teaches the window after it left and is not scored; without a universe it would be left out.

    The certificate holds: nothing of the panel changes without the bars after its last label.
    """
    settings = training_settings(scope="panel", min_rows=20, features=("cross-section",), members=UNIVERSE.sha256)
    histories = prepare_panel(panel(), settings)
    end = DAYS[BARS - 30]
    window = Window(symbol="PANEL", start=DAYS[LEFT + 5], end=end, score_end=date(2023, 1, 1))
    rows = training_rows(histories, window, settings)
    assert set(rows) == set(WHOLE) and len(rows["A"].train) and not len(rows["A"].scored)
    assert histories["A"].labels.t0[rows["A"].train].max() < LEFT
    plain = prepare_panel(WHOLE, training_settings(scope="panel", min_rows=20, features=("cross-section",)))
    assert len(plain["A"].labels.t0[plain["A"].used]) > len(histories["A"].labels.t0[histories["A"].used])
    trained = fit_window_teacher(histories, window, settings, counts_for(histories, window, settings), "cpu")
    assert trained.certificate.violations == ()
    student = student_for(histories, window, settings, trained)
    assert set(student.priors) == set("BCDEFG") and set(student.serving.offsets) == set(WHOLE)
    train = {symbol: each.train for symbol, each in rows.items()}
    assert changed_without_later_bars(histories, train, settings) == []
