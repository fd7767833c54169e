"""A stand-in for MLflow's tracking server: the part of its REST API (2.0) that storing a run uses, in memory.

Paths, fields and answers were recorded from mlflow 3.17; `tests/orchestrator/runs/test_tracking.py` runs against a real
server, too, where MLFLOW_TEST_SERVER names one.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API, FILES = "/api/2.0/mlflow/", "/api/2.0/mlflow-artifacts/artifacts/"


@dataclass
class MlflowServer:
    """Experiments by name, runs in order, and files by path; `refuses` answers every request with an error."""

    url: str = ""
    experiments: list[str] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    refuses: bool = False

    def answer(self, action: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body for a request of the API."""
        if self.refuses:
            return 403, {"error_code": "PERMISSION_DENIED", "message": "no writer of this experiment"}
        if action == "experiments/get-by-name":
            if asked["experiment_name"] not in self.experiments:
                return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}
            number = str(self.experiments.index(asked["experiment_name"]) + 1)
            return 200, {"experiment": {"experiment_id": number, "name": asked["experiment_name"]}}
        if action == "experiments/create":
            self.experiments.append(asked["name"])
            return 200, {"experiment_id": str(len(self.experiments))}
        if action == "runs/search":
            wanted = asked["filter"].partition("'")[2].rstrip("'")
            return 200, {"runs": [run for run in self.runs if run["tags"].get("gurukul.run") == wanted]}
        if action == "runs/create":
            name = f"{len(self.runs) + 1:032x}"
            uri = f"mlflow-artifacts:/{asked['experiment_id']}/{name}/artifacts"
            info = {"run_id": name, "run_uuid": name, "experiment_id": asked["experiment_id"], "artifact_uri": uri}
            info |= {"run_name": asked["run_name"], "status": "RUNNING", "start_time": asked["start_time"]}
            tags = {each["key"]: each["value"] for each in asked["tags"]}
            self.runs.append({"info": info, "data": {}, "tags": tags, "params": {}, "metrics": {}})
            return 200, {"run": self.runs[-1]}
        run = next(each for each in self.runs if each["info"]["run_id"] == asked["run_id"])
        if action == "runs/log-batch":
            for kind in ("tags", "params", "metrics"):
                run[kind] |= {each["key"]: each["value"] for each in asked.get(kind, [])}
        elif action == "runs/update":
            run["info"] |= {name: asked[name] for name in ("status", "end_time") if name in asked}
        return 200, {"run": {"info": run["info"], "data": {}}, "run_info": run["info"]}


@contextmanager
def mlflow_server() -> Iterator[MlflowServer]:
    """A server on a free port of this machine."""
    found = MlflowServer()

    class Handler(BaseHTTPRequestHandler):
        def _api(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            asked = json.loads(body or b"{}") | {name: each[0] for name, each in parse_qs(address.query).items()}
            status, answer = found.answer(address.path.partition(API)[2], asked)
            self._send(status, answer)

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _api

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            found.files[unquote(self.path.partition(FILES)[2])] = body
            self._send(200, {})

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()
