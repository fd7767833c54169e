"""The registry of gates: every gate registers its judge here under the name that tasks carry."""

from collections.abc import Callable
from functools import wraps

from schemas.config.target import VALUE
from schemas.contract.judgement import Gate, GateReport
from workers.judging.evidence import Evidence
from workers.judging.gates.base import Find, Judge

JUDGES: dict[str, Judge] = {}


def gate(name: str, question: str, *, of_values: str | None = None) -> Callable[[Find], Judge]:
    """Register the decorated function as the judge of gate `name`, which answers `question`, or of values another.

    The function returns its findings; the judge that replaces it returns them as a `GateReport`.
    ValueError if the name is taken.
    """

    def register(find: Find) -> Judge:
        if name in JUDGES:
            raise ValueError(f"gate {name!r} is already registered")

        @wraps(find)
        def judge(evidence: Evidence) -> GateReport:
            found = find(evidence)
            inputs = evidence.inputs | found.inputs
            asked = of_values if of_values and evidence.validation.target == VALUE else question
            report = Gate(name=name, question=asked, criteria=found.criteria, inputs=inputs)
            return GateReport(gate=report, symbols=found.symbols, passing=found.passing, draws=found.draws)

        JUDGES[name] = judge
        return judge

    return register
