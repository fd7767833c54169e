"""The dispatch policy, a pure function: sends to devices, and decisions about attempts."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dispatch.needs import Needs
from orchestrator.dispatch.policy import (
    MAX_STRIKES,
    MOST_UNBEGUN,
    STEAL_AFTER_S,
    UNHELD_S,
    UNTAKEN_S,
    Fail,
    Kill,
    Recall,
    RecallReason,
    Reserve,
    Send,
    View,
    ahead,
    fit_for,
    moved,
    next_try,
    policy,
    usable,
)
from orchestrator.dispatch.work import Item, Sent, Stray
from schemas.config.bars import IngestConfig
from schemas.contract.folders import Folders
from schemas.contract.presence import Presence
from schemas.contract.task import FailureClass, IngestTask, Role, RunTask
from tests.orchestrator.dispatch.views import (
    DATA_DIR,
    ELSEWHERE,
    FOLDERS,
    NEEDS,
    RUN,
    VERSIONS,
    device,
    piece,
    sends,
    sent,
    view,
)
from tests.strategies import examples

# Sending.


def test_the_longest_goes_first() -> None:
    """Of one symbol the longest goes first, equals in the order they came; of free symbols the longest piece's."""
    first, second = piece("A", 1, size=50), piece("A", 2, size=50)
    waiting = [piece("A", 0, size=10), first, second, piece("B", 0, size=90), piece("C", 0, size=20)]
    assert sends(view([device("d0", 4)], waiting)) == [
        (piece("B", 0, size=90), "d0"), (first, "d0"), (second, "d0"), (piece("A", 0, size=10), "d0"),
        (piece("C", 0, size=20), "d0"),
    ]  # fmt: skip


def test_a_student_comes_before_the_teachers() -> None:
    """A student goes before every teacher of its symbol, and its symbol before others, however short it is."""
    student = piece("A", 0, Role.STUDENT, size=1)
    found = sends(view([device("d0")], [piece("A", 1, size=90), piece("B", 0, size=99), student]))
    assert [item for item, _ in found] == [student, piece("A", 1, size=90)]


def test_devices_keep_their_symbols_and_begin_others() -> None:
    """A device gets its own symbol before a longer free one, and a free one before another device's."""
    waiting = [*(piece("A", number, size=9 - number) for number in range(4)), piece("B", 0, size=1)]
    assert sends(view([device("d0")], waiting, holders={"A": "d0"}))[0][0].symbol == "A"
    assert sends(view([device("d1")], waiting, holders={"A": "d0"}))[0][0].symbol == "B"
    found = sends(view([device("d0"), device("d1")], waiting))
    assert [(item.symbol, name) for item, name in found] == [("A", "d0"), ("B", "d1"), ("A", "d0")]


@pytest.mark.parametrize(("waiting", "devices", "expected"), [(5, 2, 1), (4, 2, 0), (1, 2, 0), (1, 1, 1)])
def test_the_last_attempts_wait_for_a_free_slot(waiting: int, devices: int, expected: int) -> None:
    """As many as there are slots are not sent behind running work, unless there is one device alone."""
    there = [device(f"d{number}", 2) for number in range(devices)]
    out = [sent(piece("A", 90 + number), there[number % devices].device.name) for number in range(2 * devices)]
    found = sends(view(there, [piece("A", number) for number in range(waiting)], out=out, holders={"A": "d0"}))
    assert len(found) == expected


def test_other_devices_symbols_are_for_free_slots_only() -> None:
    """Work on a symbol that another device holds goes to a free slot, the longest first, and never into a reserve."""
    waiting = [piece("A", 0, size=1), piece("B", 0, size=5)]
    busy = sent(piece("C"), "d1")
    held = {"A": "d0", "B": "d0"}
    assert sends(view([device("d1")], waiting, holders=held)) == [(piece("B", 0, size=5), "d1")]
    assert sends(view([device("d1")], waiting, holders=held, out=[busy])) == []


@pytest.mark.parametrize(("symbols", "expected"), [(["A", "B"], ["d0"]), (["A"], ["d0", "d1"])])
def test_with_more_devices_than_symbols_all_get_an_attempt_ahead(symbols: list[str], expected: list[str]) -> None:
    """One that holds no symbol of what waits gets one of another device's, too; with enough symbols it gets none."""
    waiting = [piece(symbol, number) for number in range(4) for symbol in symbols]
    out = [sent(piece("C", number), f"d{number}") for number in range(2)]
    found = sends(view([device("d0"), device("d1")], waiting, out=out, holders={"A": "d0", "B": "d0"}))
    assert [name for _, name in found] == expected


def test_what_was_tried_before_goes_first_once_it_is_due() -> None:
    """Work that was tried before waits until it is due, then goes before everything else."""
    again, new = piece("Z", due_s=100.0), piece("A", 0, size=9)
    assert [item for item, _ in sends(view([device("d0")], [new], [again]))] == [again, new]
    assert [item for item, _ in sends(view([device("d0")], [new], [again], now_s=99.9))] == [new]


def test_work_stays_away_from_where_it_failed() -> None:
    """A device that spoiled a piece does not get it while another can; if all have spoiled it, any gets it."""
    again = piece("Z", spoiled=frozenset({"d0", "d1"}))
    assert sends(view([device("d0"), device("d1"), device("d2")], again=[again])) == [(again, "d2")]
    assert sends(view([device("d0"), device("d1")], again=[again])) == [(again, "d0")]


def test_work_that_must_be_alone_waits_for_an_empty_device() -> None:
    """Its place, the first that has not spoiled it, is reserved and gets nothing until it is empty, then only that."""
    alone = piece("Z", alone=True, spoiled=frozenset({"d0"}))
    waiting = [piece("A", number) for number in range(5)]
    devices, busy = [device("d0"), device("d1", 2), device("d2")], sent(piece("Y"), "d1")
    found = policy(view(devices, waiting, [alone], out=[busy]))
    assert Reserve("d1") in found
    assert {each.device for each in found if isinstance(each, Send)} == {"d0", "d2"}
    assert [name for item, name in sends(view(devices, waiting, [alone])) if name == "d1"] == ["d1"]
    held = [device("d0"), device("d1", 2, held=("other/teacher/x/1",)), device("d2")]
    assert "d1" not in [name for _, name in sends(view(held, waiting, [alone]))]
    assert sends(view(devices, again=[alone], reserved={"d1": RUN})) == [(alone, "d1")]
    out = [sent(alone, "d1")]
    assert {name for _, name in sends(view(devices, waiting, out=out))} == {"d0", "d2"}


def test_only_due_work_that_must_be_alone_reserves_a_device() -> None:
    """A device is kept free from the moment such work is due; other work that is due reserves none."""
    devices = [device("d0", 2)]
    alone, shared = piece("Z", alone=True, due_s=100.0), piece("Y", due_s=100.0)
    assert Reserve("d0") in policy(view(devices, again=[alone]))
    for item, now_s in ((shared, 100.0), (shared, 99.9), (alone, 99.9)):
        found = policy(view(devices, [piece("A", 0), piece("A", 1), piece("A", 2)], [item], now_s=now_s))
        assert len(found) == 3 and all(isinstance(each, Send) for each in found)


def test_all_kinds_of_work_have_a_place() -> None:
    """Ingestion waits under its symbol, work on the whole run under the empty one."""
    ingest = Item(IngestTask(run_id="r", symbol="M&M", settings=IngestConfig().bars(None, None)))
    whole = Item(RunTask(run_id="r", role=Role.AUDIT))
    assert (ingest.symbol, piece("M&M").symbol, whole.symbol) == ("M&M", "M&M", "")
    assert (ingest.key, whole.key) == ((Role.INGEST, "M&M"), (Role.AUDIT, "r"))
    assert len(sends(view([device("d0")], [ingest, whole]))) == 2


# Supervision. `RUNNING` is the id of the first piece's attempt.

ATTEMPT = sent(piece(), "d0")


def judged(attempt: Sent, presence: Presence | None, **changes: Any) -> list[object]:
    """The decision about an attempt whose device is in a state."""
    return list(policy(view([presence] if presence else [], out=[attempt], **changes)))


def test_an_attempt_whose_device_is_gone_is_lost() -> None:
    """Without its device an attempt is recalled as lost at once."""
    (found,) = judged(ATTEMPT, None)
    assert isinstance(found, Recall) and found.why is RecallReason.LOST and "no heartbeat" in found.message


def test_what_no_device_holds_is_lost_after_three_observed_seconds() -> None:
    """Neither queued nor held nor running, it is lost once it was missed for longer than 3 s."""
    assert judged(replace(ATTEMPT, missed_s=3.0), device("d0")) == []
    (found,) = judged(replace(ATTEMPT, missed_s=3.5), device("d0"))
    assert isinstance(found, Recall) and found.why is RecallReason.LOST


def test_waiting_behind_other_work_costs_nothing() -> None:
    """However long it waits at a device that runs something, nothing happens, and no limit applies."""
    busy = device("d0", held=(ATTEMPT.id,), running=("other/teacher/x/1",))
    assert judged(replace(ATTEMPT, waited_s=36000.0), busy, claimants={"other/teacher/x/1": "d0"}) == []


def test_a_device_that_begins_nothing_loses_its_work() -> None:
    """An attempt that waits while nothing runs (the pool does not start) is recalled after 30 s."""
    assert judged(replace(ATTEMPT, waited_s=30.0), device("d0", held=(ATTEMPT.id,))) == []
    (found,) = judged(replace(ATTEMPT, waited_s=30.5), device("d0", held=(ATTEMPT.id,)))
    assert isinstance(found, Recall) and found.why is RecallReason.NOT_BEGUN
    assert moved(found).spoiled == {"d0"}


def test_what_waits_at_a_draining_device_is_recalled() -> None:
    """A draining device keeps running attempts. What waits there goes elsewhere, and what it no longer names does."""
    leaving = device("d0", draining=True)
    (found,) = judged(replace(ATTEMPT, waited_s=0.5), leaving)
    assert isinstance(found, Recall) and found.why is RecallReason.DRAINING
    assert moved(found).spoiled == {"d0"}
    running = leaving.model_copy(update={"held": (ATTEMPT.id,), "running": (ATTEMPT.id,)})
    assert judged(replace(ATTEMPT, ran_s=1.0), running) == []
    (dropped,) = judged(replace(ATTEMPT, missed_s=0.5), leaving)
    assert isinstance(dropped, Recall) and dropped.why is RecallReason.DRAINING
    assert judged(replace(ATTEMPT, missed_s=0.5), device("d0")) == []


def test_only_running_counts_against_the_limit() -> None:
    """A window that was seen running for longer than its role's limit fails as timeout, and its process is killed."""
    running = device("d0", held=(ATTEMPT.id,), running=(ATTEMPT.id,))
    assert judged(replace(ATTEMPT, ran_s=10.0), running) == []
    fail, kill = judged(replace(ATTEMPT, ran_s=10.5), running)
    assert isinstance(fail, Fail) and fail.failure is FailureClass.TIMEOUT and "longer than 10 s" in fail.message
    assert kill == Kill(ATTEMPT.id, "d0")
    assert judged(replace(ATTEMPT, ran_s=10.5), running, limits_s={}) == []
    far = running.model_copy(update={"round_trip_s": 0.3})
    assert judged(replace(ATTEMPT, ran_s=10.5), far) == [] != judged(replace(ATTEMPT, ran_s=10.7), far)


def test_a_window_that_hangs_in_a_plug_in_fails_with_its_line() -> None:
    """The heartbeat names the place."""
    calls = {ATTEMPT.id: "ideas.py line 3 (in feature f)", "another": "ideas.py line 4"}
    running = device("d0", held=(ATTEMPT.id,), running=(ATTEMPT.id,), calls=calls)
    fail, _ = judged(replace(ATTEMPT, ran_s=10.5), running)
    assert isinstance(fail, Fail) and fail.message.endswith("was ended in ideas.py line 3 (in feature f)")


def test_a_stray_is_killed_after_three_seconds() -> None:
    """A stray attempt is killed once it was seen for longer than 3 s, again at every look."""
    for seconds, count in ((3.0, 0), (3.5, 1), (60.0, 1)):
        found = policy(view([device("d0")], strays=[Stray("r/teacher/x/1", "d0", seconds)]))
        assert found == [Kill("r/teacher/x/1", "d0")] * count


def test_a_free_slot_gets_what_waits_behind_running_work() -> None:
    """With an empty backlog a reserve that waited longer than 1 s is recalled for another device's slot."""
    out = [sent(piece("A", 0), "d0", ran_s=5.0), sent(piece("A", 1), "d0", waited_s=1.5)]
    devices = [device("d0", held=(out[0].id, out[1].id), running=(out[0].id,)), device("d1")]
    (found,) = policy(view(devices, out=out))
    assert found == Recall(out[1], RecallReason.STOLEN, "d1 has a free slot")
    assert moved(found) == out[1].item
    for changed in (
        view(devices, out=[out[0], replace(out[1], waited_s=1.0)]),
        view(devices[:1], out=out),
        view(devices, again=[piece("Z", due_s=500.0)], out=out),
        view(devices, out=[out[0], replace(out[1], item=replace(out[1].item, spoiled=frozenset({"d1"})))]),
        view([devices[0], device("d1", draining=True)], out=out),
        view(devices, out=out, reserved={"d1": "another"}),
        view([device("d0", 2, held=(out[0].id, out[1].id), running=(out[0].id,)), device("d1")], out=out),
    ):
        assert policy(changed) == []


# Retries.


def test_three_strikes_and_a_growing_pause() -> None:
    """Work that began and failed is due after 1 s, then 2 s, elsewhere if possible; the third time it has failed."""
    attempt, pauses = sent(piece(), "d0"), []
    for name in ("d0", "d1"):
        item = next_try(replace(attempt, device=name), FailureClass.TRANSIENT, 50.0, begun=True)
        assert item is not None and name in item.spoiled and not item.alone
        pauses.append(item.due_s - 50.0)
        attempt = replace(attempt, item=item)
    assert (pauses, attempt.item.strikes) == ([1.0, 2.0], MAX_STRIKES - 1)
    assert next_try(attempt, FailureClass.TRANSIENT, 50.0, begun=True) is None


def test_a_loss_before_the_beginning_is_no_strike() -> None:
    """An attempt that is lost before it began may be lost many times; after the first it goes elsewhere if it can."""
    attempt = sent(piece(), "d0")
    for number in range(MOST_UNBEGUN):
        item = next_try(attempt, FailureClass.LOST, 50.0, begun=False)
        assert item is not None and (item.strikes, item.lost, item.due_s) == (0, True, 50.0)
        assert item.spoiled == (frozenset({"d0"}) if number else frozenset())
        attempt = replace(attempt, item=item)
    item = next_try(attempt, FailureClass.LOST, 50.0, begun=False)
    assert item is not None and item.strikes == 1


def test_out_of_memory_is_tried_again_alone() -> None:
    """After OOM work needs a device for itself, also after a later failure of another kind."""
    item = next_try(sent(piece(), "d0"), FailureClass.OOM, 0.0, begun=True)
    assert item is not None and item.alone
    item = next_try(sent(item, "d1"), FailureClass.TRANSIENT, 0.0, begun=True)
    assert item is not None and item.alone


# Any view.

NAMES = ("d0", "d1", "d2", "d3")
names = st.sampled_from(NAMES)
seconds = st.sampled_from([0.0, 0.5, 1.5, 3.5, 11.0, 31.0])


@st.composite
def views(draw: st.DrawFn, *, retries: bool = True) -> View:
    """Any fleet of up to four devices, with work waiting, tried before, and out on devices there or gone."""
    items = [
        piece(draw(st.sampled_from("ABC")), number, draw(st.sampled_from([Role.TEACHER, Role.STUDENT])),
              size=draw(st.integers(0, 3)))
        for number in range(draw(st.integers(0, 12)))
    ]  # fmt: skip
    place = st.sampled_from(["waiting", "again", "out"] if retries else ["waiting", "out"])
    placed = [(draw(place), item) for item in items]
    out = [
        sent(item, draw(names), draw(st.integers(1, 3)), missed_s=draw(seconds), waited_s=draw(seconds),
             ran_s=draw(seconds))
        for where, item in placed if where == "out"
    ]  # fmt: skip
    again = [
        replace(item, strikes=draw(st.integers(0, 2)), spoiled=draw(st.frozensets(names)), alone=draw(st.booleans()),
                due_s=draw(st.sampled_from([0.0, 200.0])))
        for where, item in placed if where == "again"
    ]  # fmt: skip
    devices = []
    for name in draw(st.lists(names, unique=True)):
        held = tuple(each.id for each in out if each.device == name and draw(st.booleans()))
        devices.append(
            device(name, draw(st.integers(1, 3)), held=held, running=held[: draw(st.integers(0, 2))],
                   draining=draw(st.integers(0, 5)) == 0, versions={"gurukul": draw(st.sampled_from("1112"))},
                   folders=draw(st.sampled_from([FOLDERS] * 4 + [ELSEWHERE, None])),
                   round_trip_s=draw(st.sampled_from([None, 0.0003, 0.2])))
        )  # fmt: skip
    return view(
        devices, [item for where, item in placed if where == "waiting"], again, out, looked=draw(st.booleans()),
        holders=draw(st.dictionaries(st.sampled_from("ABC"), names)),
        reserved=draw(st.dictionaries(names, st.sampled_from(["r", "another"]), max_size=2)),
        usual_s=draw(st.sampled_from([None, 0.1, 60.0])),
    )  # fmt: skip


def test_a_device_that_may_not_read_the_source_gets_no_ingestion() -> None:
    """Where the work reads files, only devices that were started for those files get it; later work goes to all."""
    reader = device("b", folders=FOLDERS.model_copy(update={"sources": ("/bars",)}))
    found = view([device("a"), reader], [piece(number=0), piece("B")])
    assert {name for _, name in sends(found)} == {"a", "b"}
    reads = replace(found, fit=fit_for(replace(NEEDS, sources=("/bars/new",)), found.present))
    assert {name for _, name in sends(reads)} == {"b"}


@pytest.mark.parametrize(
    ("folders", "sources", "words"),
    [
        (FOLDERS, (), []),
        (FOLDERS, ("/data/bars",), []),
        (ELSEWHERE, (), ["works under /elsewhere, this run under /data", "`workers start --data-dir /data`"]),
        (FOLDERS.model_copy(update={"folder_id": "own"}), (), []),
        (ELSEWHERE.model_copy(update={"folder_id": "own"}), (), []),
        (FOLDERS.model_copy(update={"folder_id": "x"}), (), ["another folder on its host", "give the run and its w"]),
        (ELSEWHERE.model_copy(update={"folder_id": "x"}), (), ["works under /elsewhere, this run under /data"]),
        (FOLDERS, ("/bars",), ["only under /data, this run reads /bars", "`workers start --source-dir /bars`"]),
        (None, (), ["names no data folder"]),
    ],
)
def test_why_a_device_is_unfit_is_one_line(folders: Folders | None, sources: tuple[str, ...], words: list[str]) -> None:
    """The line names both folders and the command that makes the device fit; a fit device has none."""
    unmet = Needs(VERSIONS, DATA_DIR, sources, folder_id="own").unmet(device("a", folders=folders))
    assert bool(unmet) == bool(words)
    assert all(word in unmet for word in words)


def test_a_fleet_with_a_store_may_be_given_bars_that_one_host_has() -> None:
    """Without a shared disk a path means another file on each host."""
    folders = FOLDERS.model_copy(update={"store": "s3://a/b"})
    unmet = Needs(VERSIONS, DATA_DIR, ("/bars",), store="s3://a/b").unmet(device("a", folders=folders))
    assert unmet.endswith("or run `orchestrator ingest` here and then this with --skip-fetch")


def test_why_a_device_lacks_a_kind_of_model_is_one_line() -> None:
    """The line names the library and what installs it; the orchestrator's host need not have it, or knows a version."""
    fit, unfit = device("a", versions=VERSIONS | {"lightgbm": "4.7.0"}), device("a")
    needs = Needs(VERSIONS, DATA_DIR, libraries=("lightgbm",))
    assert needs.unmet(fit) == ""
    assert "lightgbm" in needs.unmet(unfit) and "pip install 'gurukul[lightgbm]'" in needs.unmet(unfit)
    other = Needs(VERSIONS | {"lightgbm": "4.6.0"}, DATA_DIR, libraries=("lightgbm",)).unmet(fit)
    assert "lightgbm 4.7.0, this run 4.6.0" in other
    assert Needs(VERSIONS, DATA_DIR).unmet(fit) == ""


@pytest.mark.parametrize(
    ("wanted", "has", "words"),
    [
        ("s3://a/b", "s3://a/b", []),
        ("s3://a/b", None, ["its store is none, this run's s3://a/b", "`workers start --store s3://a/b`"]),
        (
            None,
            "s3://a/b",
            [
                "its store is s3://a/b, this run's none",
                "`workers start` without --store, or give --store s3://a/b here",
            ],
        ),
    ],
)
def test_with_a_store_any_data_folder_will_do(wanted: str | None, has: str | None, words: list[str]) -> None:
    """Workers of the run's store may have any data folder; those of another or of none get no work, and the remedy."""
    unmet = Needs(VERSIONS, DATA_DIR, store=wanted).unmet(
        device("a", folders=Folders(data_dir="/elsewhere" if wanted else DATA_DIR, store=has))
    )
    assert bool(unmet) == bool(words)
    assert all(word in unmet for word in words)


@pytest.mark.parametrize(
    ("has", "words"),
    [
        ({"ideas": "ab", "more": "ef"}, ""),
        ({}, "it lacks the plug-in ideas.py; start its workers with `workers start --plugins ideas.py`"),
        ({"ideas": "cd"}, "it has another version of the plug-in ideas.py"),
    ],
)
def test_a_device_without_the_run_s_plug_in_gets_no_work(has: dict[str, str], words: str) -> None:
    """Plug-ins that the run does not use do not matter; a run without any works everywhere."""
    present = {"a": device("a", plugins=has)}
    needs = Needs(VERSIONS, DATA_DIR, plugins={"ideas": "ab"})
    assert needs.unmet(present["a"]).startswith(words) and bool(words) == bool(needs.unmet(present["a"]))
    assert bool(fit_for(needs, present)) == (not words)
    assert fit_for(Needs(VERSIONS, DATA_DIR), present)


@examples(150)
@given(found=views())
def test_no_device_gets_more_than_slots_and_one_unless_it_is_far(found: View) -> None:
    """Whatever is out, a device that is sent something has at most one attempt more than it has slots afterwards.

    A far device has as many more as its slots end within two round trips.
    """
    out = Counter(each.device for each in found.sent)
    for _, name in sends(found):
        out[name] += 1
        presence = found.present[name]
        slots, far = presence.device.slots, found.usual_s == 0.1 and presence.round_trip_s == 0.2
        assert out[name] <= (5 * slots if far else slots + 1)


@pytest.mark.parametrize(
    ("slots", "round_trip_s", "transfer_s", "usual_s", "expected"),
    [
        (2, None, 0.0, 0.1, 1),
        (2, 0.2, 0.0, None, 1),
        (2, 0.0004, 0.0, 0.26, 1),
        (2, 0.2, 0.6, 60.0, 1),
        (2, 0.2, 0.0, 0.1, 8),
        (2, 0.2, 0.6, 0.1, 20),
        (2, 0.0, 0.6, 0.1, 12),
        (8, 9.0, 9.0, 0.0, 64),
    ],
)
def test_how_much_a_far_device_gets_ahead(
    slots: int, round_trip_s: float | None, transfer_s: float, usual_s: float | None, expected: int
) -> None:
    """One attempt, or as many as the slots end within two round trips and the transfers of a window, 64 at most."""
    far = device("d0", slots, round_trip_s=round_trip_s, transfer_s=transfer_s)
    assert ahead(far, usual_s) == expected
    waiting = [piece("A", number) for number in range(100)]
    assert len(sends(view([far], waiting, usual_s=usual_s))) == slots + expected


@examples(150)
@given(found=views())
def test_work_is_sent_once_and_only_to_devices_that_may_get_it(found: View) -> None:
    """Nothing is sent twice or while it is out; a device that drains, is reserved or does not fit gets nothing."""
    keys = [item.key for item, _ in sends(found)]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {each.item.key for each in found.sent}
    for item, name in sends(found):
        presence = found.present[name]
        assert not presence.draining and presence.versions == VERSIONS
        assert presence.folders == FOLDERS
        assert found.reserved.get(name, found.run_id) == found.run_id
        assert item.due_s <= found.now_s
        assert not any(each.item.alone for each in found.sent if each.device == name)


@examples(150)
@given(found=views(retries=False))
def test_no_reserve_while_another_has_a_free_slot(found: View) -> None:
    """A device gets more than its slots only when no usable device has a free slot; free slots are always filled."""
    out = Counter(each.device for each in found.sent)
    slots = {name: presence.device.slots for name, presence in usable(found).items()}
    waiting = sum(map(len, found.waiting.values()))
    free = sum(max(count - out[name], 0) for name, count in slots.items())
    planned = sends(found)
    assert len(planned) >= min(free, waiting)
    for _, name in planned:
        out[name] += 1
        if out[name] > slots[name]:
            assert all(out[each] >= count for each, count in slots.items())


@examples(150)
@given(found=views())
def test_the_policy_is_a_function_of_its_view(found: View) -> None:
    """The same view gives the same actions, in whatever order the devices came, and is not changed."""
    before = (dict(found.waiting), list(found.again), dict(found.holders))
    actions = policy(found)
    turned = dict(reversed(list(found.present.items())))
    shuffled = replace(found, present=turned, fit=fit_for(NEEDS, turned))
    assert policy(found) == actions == policy(shuffled)
    assert (dict(found.waiting), list(found.again), dict(found.holders)) == before


@examples(150)
@given(found=views())
def test_attempts_are_judged_once_per_look_and_for_a_reason(found: View) -> None:
    """Between looks work is only sent. An attempt is recalled or failed at most once, and only for a stated reason."""
    actions = [each for each in policy(found) if not isinstance(each, Send)]
    assert found.looked or not actions
    judgements = [each for each in actions if isinstance(each, Recall | Fail)]
    assert len({each.sent.id for each in judgements}) == len(judgements)
    out = Counter(each.device for each in found.sent)
    for each in judgements:
        presence = found.present.get(each.sent.device)
        if isinstance(each, Fail):
            assert presence is not None and each.sent.id in presence.running and each.sent.ran_s > 10.0
        elif each.why is RecallReason.LOST:
            assert presence is None or each.sent.missed_s > UNHELD_S
        elif each.why is RecallReason.DRAINING:
            assert presence is not None and presence.draining and each.sent.id not in presence.running
        elif each.why is RecallReason.NOT_BEGUN:
            assert presence is not None and not presence.running and each.sent.waited_s > UNTAKEN_S
        else:
            assert not found.waiting and not found.again and not each.sent.item.alone
            assert each.sent.waited_s > STEAL_AFTER_S
            assert any(out[name] < presence.device.slots for name, presence in usable(found).items())
    if not judgements:
        assert all(each.device in found.present for each in found.sent if found.looked)


# Heartbeats that lie.


def test_what_its_device_has_not_claimed_reaches_no_limit() -> None:
    """An attempt that a heartbeat names and no device has claimed waits: it is taken back. One of another's is lost."""
    named = device("d0", held=(ATTEMPT.id,), running=(ATTEMPT.id,))
    old = replace(ATTEMPT, ran_s=99.0, waited_s=UNTAKEN_S + 0.5)
    for claimant, why in (("", RecallReason.NOT_BEGUN), ("d1", RecallReason.LOST)):
        (found,) = judged(old, named, claimants={ATTEMPT.id: claimant})
        assert isinstance(found, Recall) and found.why is why
    for claimants in ({}, {ATTEMPT.id: "d0"}):  # a broker that lost its claims proves nothing
        assert [type(each) for each in judged(old, named, claimants=claimants)] == [Fail, Kill]


def test_what_its_device_has_claimed_runs_although_it_is_named_as_held() -> None:
    """The claim decides: an attempt that a heartbeat does not name as running has its limit, and is not taken back."""
    held, claimants = device("d0", held=(ATTEMPT.id,)), {ATTEMPT.id: "d0"}
    assert judged(replace(ATTEMPT, waited_s=99.0), held, claimants=claimants) == []
    assert [type(each) for each in judged(replace(ATTEMPT, ran_s=99.0), held, claimants=claimants)] == [Fail, Kill]


def test_work_waits_only_behind_what_a_device_has_claimed() -> None:
    """A heartbeat that names anything as running keeps nothing; work of another run that it has claimed is true."""
    waits, other = replace(ATTEMPT, waited_s=UNTAKEN_S + 0.5), "another/teacher/x/1"
    for named in ((other,), ("junk",), (other, "junk")):
        presence = device("d0", held=(ATTEMPT.id,), running=named)
        for claimants in ({}, {other: ""}, {other: "d1"}):
            (found,) = judged(waits, presence, claimants=claimants)
            assert isinstance(found, Recall) and found.why is RecallReason.NOT_BEGUN
    presence = device("d0", held=(ATTEMPT.id,), running=("junk", other))
    assert judged(waits, presence, claimants={other: "d0"}) == []


@examples(200)
@given(found=views(), data=st.data())
def test_a_lie_about_what_runs_costs_only_the_devices_own_attempts(found: View, data: st.DataObject) -> None:
    """Whatever one heartbeat names or omits, no attempt of another device fails, is lost or is ended for it."""
    liar = data.draw(names)
    claimants = {each.id: data.draw(st.sampled_from([each.device, each.device, ""])) for each in found.sent}
    true = replace(found, claimants=claimants)
    if liar not in true.present:
        return
    ids = st.sampled_from([*claimants, f"{RUN}/teacher/x/1", "another/teacher/x/1", "junk"])
    lie = data.draw(st.lists(ids, unique=True).map(tuple))
    changed = true.present[liar].model_copy(update={"running": lie, "held": data.draw(st.sampled_from([lie, ()]))})
    lied = replace(true, present={**true.present, liar: changed})
    assert _against_others(lied, liar) == _against_others(true, liar)
    for each in policy(lied):
        if isinstance(each, Fail):
            assert claimants[each.sent.id] == each.sent.device


def _against_others(of: View, liar: str) -> list[Fail | Kill | Recall]:
    """What ends attempts of other devices; what only waits there may move whenever a slot is free."""
    stays = (RecallReason.STOLEN, RecallReason.NOT_BEGUN)
    return [
        each for each in policy(of)
        if (isinstance(each, Kill) and each.device != liar)
        or (isinstance(each, Fail) and each.sent.device != liar)
        or (isinstance(each, Recall) and each.sent.device != liar and each.why not in stays)
    ]  # fmt: skip


@pytest.mark.parametrize(("slots", "pieces"), [((1, 1), 2), ((2, 3), 5), ((4, 1), 6), ((1, 4), 5), ((1, 2, 4), 7)])
def test_slots_of_unlike_devices_are_filled_before_reserves(slots: tuple[int, ...], pieces: int) -> None:
    """However few pieces there are and however unlike the devices, each free slot gets one first."""
    devices = [device(f"d{number}", count) for number, count in enumerate(slots)]
    out = Counter(name for _, name in sends(view(devices, [piece("A", number) for number in range(pieces)])))
    assert sum(min(out[f"d{number}"], count) for number, count in enumerate(slots)) == min(pieces, sum(slots))
