"""Ask a worker process what this host and the source hold, before anything is written."""

import subprocess
import sys

from pydantic import ValidationError

from schemas.errors import RequestError
from schemas.preflight import PreflightReport, PreflightRequest


def ask(request: PreflightRequest) -> PreflightReport:
    """Run `workers preflight`; RequestError with its sentence if the request cannot be run."""
    process = subprocess.run(
        [sys.executable, "-m", "workers", "preflight"], input=request.model_dump_json(), capture_output=True, text=True
    )
    try:
        report = PreflightReport.model_validate_json(process.stdout)
    except ValidationError:
        last = (process.stderr.strip().splitlines() or ["no output"])[-1]
        raise RequestError(f"the preflight ended with {process.returncode}: {last}; check the installation") from None
    if report.error is not None:
        raise RequestError(report.error)
    return report
