"""The gates in order. What cannot be computed does not pass; nothing stands in for it."""

from collections.abc import Callable

from schemas.config.judgement import GATES
from schemas.contract.judgement import GateReport
from workers.judging.evidence import Evidence
from workers.judging.gates import calibration, data, drift, economics, leak, overfit, skill, symbols

JUDGES: dict[str, Callable[[Evidence], GateReport]] = {
    "data": data.judge,
    "leak": leak.judge,
    "skill": skill.judge,
    "economics": economics.judge,
    "overfit": overfit.judge,
    "symbols": symbols.judge,
    "calibration": calibration.judge,
    "drift": drift.judge,
}
assert tuple(JUDGES) == GATES
