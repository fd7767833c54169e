"""Corporate actions: the file's format, and the effect on prices."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract.errors import RequestError
from tests.strategies import FIRST_DAY, daily_walk, examples
from workers.bars.calendar import day_number
from workers.bars.corporate_actions import Action, Kind, adjusted, factors, read_actions

DAY = date(2024, 6, 21)

KINDS: st.SearchStrategy[Kind] = st.sampled_from(["split", "bonus"])
ACTIONS = st.lists(
    st.builds(
        Action,
        ex_date=st.dates(FIRST_DAY - timedelta(days=9), FIRST_DAY + timedelta(days=99)),
        kind=KINDS,
        left=st.integers(1, 10),
        right=st.integers(1, 10),
    ),
    max_size=5,
)


def written(folder: Path, text: str) -> Path:
    path = folder / "actions.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_in_any_column_order_past_comments(tmp_path: Path) -> None:
    """The header may have any case, order and further columns; actions are sorted by day."""
    path = written(
        tmp_path,
        "\ufeff# from the exchange's circulars\n\nRatio, EX_DATE ,Symbol,Action,note\n"
        '1:1,2024-10-28,RELIANCE,Bonus,\n  # older ones\n5 : 1,2017-09-07,RELIANCE,split,"a, b"\n'
        "2:1,2024-06-21,M&M,split,x\n",
    )
    assert read_actions(path) == {
        "RELIANCE": (Action(date(2017, 9, 7), "split", 5, 1), Action(date(2024, 10, 28), "bonus", 1, 1)),
        "M&M": (Action(DAY, "split", 2, 1),),
    }


def test_a_header_alone_means_no_actions(tmp_path: Path) -> None:
    """A file without actions is not an error."""
    assert read_actions(written(tmp_path, "symbol,ex_date,action,ratio\n")) == {}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("../etc,2024-06-21,split,2:1", "'../etc'"),
        ("TCS,21-06-2024,split,2:1", "'21-06-2024' is not a date; write YYYY-MM-DD"),
        ("TCS,20240621,split,2:1", "'20240621' is not a date; write YYYY-MM-DD"),
        ("TCS,2024-06-31,split,2:1", "'2024-06-31'"),
        ("TCS,2024-06-21,dividend,2:1", "'dividend' is not one of split, bonus"),
        ("TCS,2024-06-21,split,2", "'2' is not NEW:OLD"),
        ("TCS,2024-06-21,split,0:1", "'0:1' is not NEW:OLD"),
        ("TCS,2024-06-21,bonus,1:-1", "'1:-1' is not EXTRA:HELD"),
        ("TCS,2024-06-21,bonus,1.5:1", "'1.5:1' is not EXTRA:HELD"),
        ("TCS,2024-06-21,split,1:1", "changes nothing"),
        ("TCS,2024-06-21,split", "has 3 cells, the header has 4"),
        ("TCS,2024-01-01,split,5:1", "actions.csv line 3 already has a split of TCS on that day"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, expected: str) -> None:
    """The error is one line with the file, the line's number, the value and what is expected."""
    text = f"symbol,ex_date,action,ratio\n# good\nTCS,2024-01-01,split,2:1\n{line}\n"
    with pytest.raises(RequestError) as error:
        read_actions(written(tmp_path, text))
    assert "actions.csv line 4" in str(error.value) and expected in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("symbol,date,action,ratio\n", "line 1: the header has no column ex_date"),
        ("symbol,ex_date,action,ratio,Ratio\n", "line 1: the header has more than one column ratio"),
        ("", "the header has no column symbol"),
        ("# nothing\n", "the header has no column symbol"),
    ],
)
def test_a_wrong_header_is_named(tmp_path: Path, text: str, expected: str) -> None:
    """The four columns are required; an empty file is an error."""
    with pytest.raises(RequestError, match=expected) as error:
        read_actions(written(tmp_path, text))
    assert "symbol,ex_date,action,ratio" in str(error.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file and a binary file are errors of the request."""
    with pytest.raises(RequestError, match=r"none\.csv cannot be read"):
        read_actions(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match=r"binary\.csv cannot be read"):
        read_actions(tmp_path / "binary.csv")


@pytest.mark.parametrize(
    ("kind", "left", "right", "factor"),
    [
        ("split", 5, 1, 0.2),
        ("split", 1, 10, 10.0),
        ("bonus", 1, 1, 0.5),
        ("bonus", 1, 2, 2 / 3),
        ("bonus", 2, 1, 1 / 3),
    ],
)
def test_factor_is_old_shares_over_new(kind: Kind, left: int, right: int, factor: float) -> None:
    """A split of 5:1 turns one share into five, a bonus of 1:2 two shares into three."""
    assert Action(DAY, kind, left, right).factor == pytest.approx(factor, rel=1e-15)


def test_only_bars_before_the_ex_date_are_adjusted() -> None:
    """The last bar before the ex-date is adjusted, the bar of the ex-date is not."""
    session = np.array([day_number(DAY) + offset for offset in (-1, 0, 1)], dtype=np.int64)
    assert factors(session, [Action(DAY, "split", 2, 1)]).tolist() == [0.5, 1.0, 1.0]


@given(ACTIONS, st.integers(0, 80))
@examples(60)
def test_factor_is_the_product_of_all_later_actions(actions: list[Action], bars: int) -> None:
    """A bar's factor is the product over actions with an ex-date after its session, in any order of actions."""
    series = daily_walk(bars)
    expected = [
        np.prod([action.factor for action in actions if day_number(action.ex_date) > session])
        for session in series.session
    ]
    assert factors(series.session, actions) == pytest.approx(np.array(expected, dtype=np.float64), rel=1e-12)


@given(ACTIONS)
@examples(30)
def test_adjusting_keeps_what_was_traded(actions: list[Action]) -> None:
    """Price times volume, the order of a bar's prices, times and days do not change."""
    series = daily_walk(60)
    now, factor = adjusted(series, actions)
    assert now.close * now.volume == pytest.approx(series.close * series.volume)
    assert now.open == pytest.approx(series.open * factor)
    assert ((now.high >= now.low) & (now.high >= now.close) & (now.low <= now.open)).all()
    assert (now.timestamp == series.timestamp).all() and (now.session == series.session).all()
