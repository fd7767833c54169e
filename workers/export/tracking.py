"""Stores a judged run on an MLflow server."""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from schemas.contract.tracking import Tracked, TrackedRun

# Its value is of one run alone, by name and beginning: a second time the same run of the server is written again.
OWN_TAG = "gurukul.run"
# The client's defaults wait ten minutes for a server that is gone.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
MOST_AT_ONCE = 100


def store_run(request: TrackedRun) -> Tracked:
    """Store tags, params, metrics and files; `error` holds the reason if the server refuses or does not answer."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        with redirect_stdout(sys.stderr):  # the client prints the address of the run
            return _store(MlflowClient(request.uri), request)
    except (MlflowException, OSError) as error:  # OSError: requests has its errors below it
        reason = str(error).strip().partition("\n")[0]
        if "Caused by" not in reason:
            return Tracked(error=f"the MLflow server {request.uri} refuses the run: {reason}")
        cause = reason.rpartition(": ")[2].strip("'\")")  # after the words of three libraries
        return Tracked(
            error=f"the MLflow server {request.uri} does not answer: {cause}; start it, or correct its address"
        )


def _store(client: Any, request: TrackedRun) -> Tracked:
    from mlflow.entities import Metric, Param, RunTag

    identity = f"{request.run_id} {request.began_ms}"
    found = client.get_experiment_by_name(request.experiment)
    experiment = client.create_experiment(request.experiment) if found is None else found.experiment_id
    stored = client.search_runs([experiment], f"tags.`{OWN_TAG}` = '{identity}'", max_results=1)
    own = {OWN_TAG: identity}
    if stored:
        name = stored[0].info.run_id
        client.update_run(name, status="RUNNING")
    else:
        name = client.create_run(experiment, request.began_ms, own, request.run_id).info.run_id
    tags = [RunTag(*each) for each in (request.tags | own).items()]
    params = [Param(*each) for each in request.params.items()]
    metrics = [Metric(key, value, request.ended_ms, 0) for key, value in request.metrics.items()]
    for start in range(0, max(map(len, (tags, params, metrics))), MOST_AT_ONCE):
        part = slice(start, start + MOST_AT_ONCE)
        client.log_batch(name, metrics[part], params[part], tags[part])
    for each in request.files:
        log = client.log_artifacts if Path(each.path).is_dir() else client.log_artifact
        log(name, each.path, each.folder)
    client.set_terminated(name, "FINISHED", request.ended_ms)
    return Tracked(url=f"{request.uri.rstrip('/')}/#/experiments/{experiment}/runs/{name}", again=bool(stored))
