"""Has a gate of a plug-in judge a run in a process of its own: no gate ends a worker, or the run that it judges."""

import subprocess
from pathlib import Path

from pydantic import ValidationError

from schemas.config.judgement import OwnGate
from schemas.contract.child_process import ONE_THREAD, module_command, safe_environment
from schemas.contract.judgement import GateReport, Validation
from schemas.contract.requests import OWN_GATE_LIMIT_S, GateAnswer, GateQuestion
from schemas.files.atomic import sha256_of
from schemas.files.layout import RunLayout
from schemas.files.run_files import read_model


def judged_apart(layout: RunLayout, gate: OwnGate, release_dir: Path, key: str) -> GateReport:
    """What the gate found, under `key`; where it failed, hung or ended its process, a report without a key says why.

    Such a report is not adopted by a later run: a gate that took too long on a busy host may have a result next time.
    """
    from workers.judging.plugged_gate import without_result

    question = GateQuestion(
        data_dir=str(layout.data_dir), run_id=layout.folder.name, gate=gate.name, sha256=gate.sha256,
        release_dir=str(release_dir.absolute()),
    )  # fmt: skip
    found = _asked(question)
    if found.report is not None:
        return found.report.model_copy(update={"key": key})
    inputs = {layout.validation.name: sha256_of(layout.validation)} | read_model(layout.validation, Validation).sha256
    return without_result(gate, found.error or "it gave no answer", inputs)


def _asked(question: GateQuestion) -> GateAnswer:
    try:
        process = subprocess.run(
            module_command("workers", "own-gate"), env=safe_environment() | ONE_THREAD, capture_output=True, text=True,
            input=question.model_dump_json(), timeout=OWN_GATE_LIMIT_S,
        )  # fmt: skip
        return GateAnswer.model_validate_json(process.stdout)
    except subprocess.TimeoutExpired:
        return GateAnswer(error=f"gate {question.gate} took over {OWN_GATE_LIMIT_S:g} s, and was ended")
    except ValidationError:
        last = (process.stderr.strip().splitlines() or ["no output"])[-1]
        return GateAnswer(error=f"gate {question.gate} ended its process with {process.returncode}: {last[:300]}")
