"""An attempt's observed seconds, look by look."""

from hypothesis import given
from hypothesis import strategies as st

from tests.orchestrator.dispatch.views import device, piece, sent
from tests.strategies import examples

ATTEMPT = sent(piece(), "d0")
STATES = {
    "queued": device("d0"),
    "held": device("d0", held=(ATTEMPT.id,)),
    "running": device("d0", running=(ATTEMPT.id,)),
    "named": device("d0", running=(ATTEMPT.id,)),
    "missed": device("d0"),
    "offline": None,
}
looks = st.lists(st.tuples(st.sampled_from(sorted(STATES)), st.floats(0, 2), st.sampled_from([0.0, 1.5])), max_size=30)


def test_the_first_heartbeat_after_a_cut_proves_little_about_what_was_just_sent() -> None:
    """It is older than the attempt, covers the whole cut and cannot name it: the attempt was missed for one look."""
    assert ATTEMPT.observed(device("d0"), (), 0.5, 4.5, {}).missed_s == 0.5


@examples(100)
@given(looks=looks)
def test_seconds_are_observed_seconds(looks: list[tuple[str, float, float]]) -> None:
    """`ran_s` counts all looks that saw it run, `waited_s` those since it ran.

    `missed_s` counts what new heartbeats cover that do not name it, and no more than the time since it was sent. A look
    at which its device is offline counts for nothing. What a device names and has not claimed waits there.
    """
    attempt, ran_s, missed_s, waited_s, out_s = ATTEMPT, 0.0, 0.0, 0.0, 0.0
    for state, seconds, covered_s in looks:
        queued = {ATTEMPT.id} if state == "queued" else set()
        claimants = {ATTEMPT.id: ""} if state == "named" else {}
        attempt = attempt.observed(STATES[state], queued, seconds, covered_s, claimants)
        out_s += seconds
        if state == "running":
            ran_s, missed_s, waited_s = ran_s + seconds, 0.0, 0.0
        elif state in ("queued", "held", "named"):
            missed_s, waited_s = 0.0, waited_s + seconds
        elif state == "missed":
            missed_s = min(missed_s + covered_s, out_s)
        assert (attempt.ran_s, attempt.missed_s, attempt.waited_s) == (ran_s, missed_s, waited_s)
