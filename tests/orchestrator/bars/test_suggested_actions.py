"""Files of suggested corporate actions, and the sentence about jumps in a run."""

from datetime import date, timedelta
from pathlib import Path

from orchestrator.audit.wording import jumps_of
from orchestrator.bars.suggested_actions import write_actions
from schemas.contract.quality import Check, Finding, Verdict
from tests.known import coverage_of, table_of
from workers.bars.corporate_actions import Action, read_actions

DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(30)]


def gap(*lines: str, check: Check = Check.OVERNIGHT_GAP, count: int = 1) -> Finding:
    return Finding(check=check, verdict=Verdict.WARN, count=count, where="2024-01-09", detail="jumps", actions=lines)


TABLE = table_of(
    coverage_of("TCS", DAYS, findings=(gap("TCS,2024-01-09,split,2:1", "TCS,2024-01-19,split,5:4", count=2),)),
    coverage_of("INFY", DAYS, findings=(gap("INFY,2024-01-09,split,10:1"), gap(check=Check.REOPENING_GAP))),
    coverage_of("SBIN", DAYS),
)


def test_suggested_actions_are_a_file_that_can_be_used(tmp_path: Path) -> None:
    """Every suggested line is in it once, and it is read without an edit."""
    assert write_actions(tmp_path / "actions.csv", TABLE, None) == 3
    actions = read_actions(tmp_path / "actions.csv")
    assert actions["INFY"] == (Action(date(2024, 1, 9), "split", 10, 1),)
    assert [action.left for action in actions["TCS"]] == [2, 5]


def test_known_actions_come_first_in_their_own_columns(tmp_path: Path) -> None:
    """Actions that are used already are kept with their comments, and new lines follow the header's order."""
    known = tmp_path / "known.csv"
    known.write_text("\ufeffratio,note,action,symbol,ex_date\n1:1,checked,bonus,SBIN,2024-01-05\n")
    write_actions(known, TABLE, str(known))
    assert "1:1,checked,bonus,SBIN,2024-01-05" in known.read_text()
    assert {symbol: len(actions) for symbol, actions in read_actions(known).items()} == {"SBIN": 1, "INFY": 1, "TCS": 2}


def test_nothing_suggested_is_an_empty_list(tmp_path: Path) -> None:
    """The file has a header alone, and is valid."""
    assert write_actions(tmp_path / "actions.csv", table_of(coverage_of("SBIN", DAYS)), None) == 0
    assert read_actions(tmp_path / "actions.csv") == {}


def test_a_run_names_the_symbols_with_jumps_and_what_became_of_their_labels() -> None:
    """Both kinds of jump count; without one there is no sentence."""
    assert jumps_of(table_of(coverage_of("SBIN", DAYS)), False) is None
    sentence = jumps_of(TABLE, False) or ""
    assert "TCS (2), INFY (2)" in sentence and "label spans over them are left out" in sentence
    assert sentence.endswith("give those that are splits or bonuses with --corporate-actions")
    assert "were used (--keep-jumps)" in (jumps_of(TABLE, True) or "")
