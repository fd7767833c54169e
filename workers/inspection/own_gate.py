"""Judges a run with one gate of a plug-in, in a process that the gate may end."""

from contextlib import suppress
from pathlib import Path

from schemas.contract.errors import GurukulError, RequestError
from schemas.contract.requests import GateAnswer, GateQuestion
from schemas.files.layout import RunLayout
from workers.judging.evidence import load
from workers.judging.plugged_gate import gates_here, judge
from workers.plugins.loading import refuse_other_plugins
from workers.side.store import use_side_of

# Address space of the process.
LARGEST_BYTES = 16 << 30


def answer(question: GateQuestion) -> GateAnswer:
    """What the gate found; a fault of it is returned as one sentence in `error`, with the user's line."""
    try:
        _limit_memory()
        use_side_of(question.data_dir)
        known = gates_here()
        if question.gate not in known:
            raise RequestError(f"no plug-in of this process has a gate {question.gate}")
        if question.sha256 is not None:
            refuse_other_plugins({known[question.gate].plugin: question.sha256})
        layout = RunLayout.under(question.data_dir, question.run_id)
        return GateAnswer(report=judge(question.gate, load(layout, Path(question.release_dir))))
    except (GurukulError, MemoryError) as error:
        return GateAnswer(error=str(error))


def _limit_memory() -> None:
    """Give a gate that leaks memory a MemoryError before the host runs out of it."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no limits, macOS refuses this one
        import resource

        before = _, hard = resource.getrlimit(resource.RLIMIT_AS)
        others = [each for each in before if each != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min([LARGEST_BYTES, *others]), hard))
