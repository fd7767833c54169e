"""A plan of windows in columns."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas.config.run import RunConfig
from schemas.contract.artifact import RunManifest
from schemas.contract.errors import FileError
from schemas.contract.plan import Plan, parts_of
from schemas.contract.window import PANEL, PlannedWindow, SkipReason, Window
from schemas.files import run_files
from schemas.files.atomic import to_json
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_manifest, write_manifest
from schemas.files.run_paths import portable
from tests.strategies import examples

DAY = date(2022, 1, 3)


class Stored(BaseModel):
    """A file with a plan, and one with the same windows as objects."""

    plan: Plan


class Objects(BaseModel):
    """The same, each window an object."""

    plan: tuple[PlannedWindow, ...]


def planned(symbol: str, week: int, labels_before: date | None = None, **changes: object) -> PlannedWindow:
    """A symbol's window of a week's number."""
    start = DAY + timedelta(weeks=week)
    window = Window(
        symbol=symbol, start=start, end=start + timedelta(days=90), score_end=start + timedelta(days=97),
        labels_before=labels_before,
    )  # fmt: skip
    return PlannedWindow(window=window, **{"expected_rows": 60} | changes)


windows = st.lists(
    st.builds(
        planned,
        st.sampled_from(("M&M", "TCS", "A_B".replace("_", "-"))),
        st.integers(0, 500),
        st.none() | st.dates(),
        skip=st.sampled_from((None, SkipReason.NO_DATA)),
        detail=st.sampled_from(("", "no bars")),
        expected_rows=st.integers(0, 10**6),
    ),
    max_size=12,
)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_manifest_is_written_and_read_in_pieces_as_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """`run.json` has the bytes of the whole manifest as indented JSON; read again, it has the same plan."""
    monkeypatch.setattr(run_files, "PIECE_BYTES", 300)
    found = [planned("M&M", week, skip=SkipReason.NO_DATA, detail='keine "Daten":\n\u20b9') for week in range(count)]
    config = RunConfig(start_date=DAY, end_date=DAY + timedelta(days=700))
    manifest = RunManifest(
        run_id="r", created=datetime.now(UTC), config=config, devices=(), bars=None,
        plan=Plan(found), versions={"gurukul": "1"},
    )  # fmt: skip
    layout = RunLayout.under(tmp_path, "r")
    write_manifest(layout, manifest)
    written = read_manifest(layout)
    assert written.plan == found
    stored = manifest.model_copy(update={"config": portable(manifest.config, layout.data_dir)})
    text = layout.manifest.read_text()
    assert text == to_json(stored.model_dump(mode="json"))
    if count:
        assert run_files._in_pieces(text.encode()) == stored
        layout.manifest.write_text(text.replace('"expected_rows": 60', '"expected_rows": "x"'))
        with pytest.raises(FileError, match=r"plan\.0\.expected_rows"):
            read_manifest(layout)


@given(windows)
@examples(40)
def test_a_plan_reads_and_writes_as_a_list_of_its_windows(found: list[PlannedWindow]) -> None:
    """In the same order, with every field, as JSON and as objects."""
    text = Objects(plan=tuple(found)).model_dump_json()
    stored = Stored.model_validate_json(text)
    assert list(stored.plan) == found == stored.plan[:]
    assert stored.model_dump_json() == text
    assert stored.model_dump(mode="json") == Objects(plan=tuple(found)).model_dump(mode="json")
    assert Stored(plan=found) == stored


def test_a_window_is_found_by_its_label() -> None:
    """That of its symbol; a panel's teacher has the students of all symbols with its days, in their order."""
    plan = Plan(planned(symbol, week) for symbol in ("TCS", "M&M") for week in range(5))
    own, other = planned("TCS", 3), planned("M&M", 3)
    assert plan.labelled(own.window.label) == own
    assert plan.taught_by(own.window.label) == [own]
    assert plan.taught_by(own.window.in_scope("panel").label) == [own, other]
    for label in ("", "TCS", "INFY_2022-01-03_to_2022-04-03", own.window.label[:-1] + "9", f"{PANEL}_x_to_y"):
        assert plan.labelled(label) is None
        assert plan.taught_by(label) == []
    assert parts_of("A_2022-1-03_to_2022-04-03") is None


def test_a_number_that_no_plan_has_is_refused() -> None:
    """As a fault of its place, like every other wrong value."""
    text = Objects(plan=(planned("TCS", 0),)).model_dump_json()
    for wrong in ('"x"', "9" * 30):
        with pytest.raises(ValidationError, match="plan"):
            Stored.model_validate_json(text.replace(":60", f":{wrong}"))


def test_every_field_of_a_window_has_a_column() -> None:
    """A field that is added to a window is lost in a plan until it is added there."""
    assert set(Window.model_fields) == {"symbol", "start", "end", "score_end", "labels_before"}
    assert set(PlannedWindow.model_fields) == {"window", "skip", "detail", "expected_rows"}
