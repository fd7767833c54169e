"""Gates that plug-in files define, and what they found in a run's evidence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas.config.judgement import GATES, OwnGate
from schemas.contract.errors import DataError
from schemas.contract.judgement import Criterion, Gate, GateReport, Part, Ruling
from schemas.contract.plugin_declarations import GateDeclaration
from workers.plugins.blame import user_code
from workers.plugins.loading import by_name, plugins_here

if TYPE_CHECKING:
    from workers.judging.evidence import Evidence  # it imports what a preflight, which lists gates, does not need


def gates_here() -> dict[str, OwnGate]:
    """The gates of all plug-ins of this process by name, in order. RequestError for one that cannot be used."""
    _declared()
    return {
        each.name: OwnGate(
            name=each.name, question=each.question, decides=each.decides, plugin=plugin.name, sha256=plugin.sha256
        )
        for plugin in plugins_here().values()
        for each in plugin.gates
    }


def judge(name: str, evidence: "Evidence") -> GateReport:
    """What a gate found. DataError, with the user's line, if it fails or returns something else than criteria."""
    path, declared = _declared()[name]
    with user_code(path, f"in gate {name}"):
        found = declared.function(evidence)
    criteria = [found] if isinstance(found, Criterion) else found
    if not isinstance(criteria, Sequence) or not criteria or not all(isinstance(each, Criterion) for each in criteria):
        raise DataError(f"{path}: gate {name} returns no criteria; return gk.criterion(...), or a list of them")
    if len({each.name for each in criteria}) < len(criteria):
        raise DataError(f"{path}: gate {name} returns two criteria of one name; rename one")
    part = Part.HARD if declared.decides else Part.WARNING
    ruled = tuple(
        each if each.part is Part.INFORMS else each.model_copy(update={"part": part})
        for each in criteria
    )  # fmt: skip
    return GateReport(gate=Gate(name=name, question=declared.question, criteria=ruled, inputs=evidence.inputs))


def without_result(gate: OwnGate, why: str, inputs: dict[str, str]) -> GateReport:
    """The report of a gate that could not be computed, and so does not pass; `why` names the user's line."""
    part = Part.HARD if gate.decides else Part.WARNING
    reason = f"not computable: {why}"
    missing = Criterion(name="result", part=part, ruling=Ruling.NOT_COMPUTABLE, reason=reason)
    return GateReport(gate=Gate(name=gate.name, question=gate.question, criteria=(missing,), inputs=inputs))


def _declared() -> dict[str, tuple[str, GateDeclaration]]:
    declared = [(plugin.path, each) for plugin in plugins_here().values() for each in plugin.gates]
    return by_name("gate", declared, lambda name: name in GATES)
