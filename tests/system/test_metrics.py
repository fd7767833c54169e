"""`orchestrator metrics` on a finished run's folder and a real fleet; the board and the alerts that read it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import promql_parser as promql
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ledger_reader import DURATION_BUCKETS_S
from schemas.contract.presence import StoreUse
from schemas.contract.task import FailureClass, Role
from schemas.files.layout import RunLayout
from schemas.redis.presences import beat
from tests.chaos.lab import Lab, lab
from tests.conftest import Finished, clean_environment, command, tree
from tests.ports import free_port
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docker" / "monitoring"
RUN_ID = "generated"
TRIED_AGAIN = "M&M_2099-01-01_to_2099-05-01"

Labels = dict[str, str]


class Endpoint:
    """A running `orchestrator metrics`, and its scrapes."""

    def __init__(self, url: str) -> None:
        self._url = url

    def scrape(self) -> list[Any]:
        """Metric families."""
        with urlopen(self._url, timeout=10) as answer:
            return list(text_string_to_metric_families(answer.read().decode()))

    def samples(self, name: str) -> list[tuple[Labels, float]]:
        """All samples of one name."""
        return [(s.labels, s.value) for family in self.scrape() for s in family.samples if s.name == name]

    def value(self, name: str, **labels: str) -> float | None:
        """The sample whose labels hold all of `labels`; None if there is none."""
        found = [value for having, value in self.samples(name) if labels.items() <= having.items()]
        assert len(found) <= 1, found
        return found[0] if found else None


@contextmanager
def serving(data_dir: Path, *arguments: str) -> Iterator[Endpoint]:
    """`orchestrator metrics` on any free port; SIGTERM must end it with 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "metrics", "--data-dir", str(data_dir), "--port", "0", *arguments],
        env=clean_environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/metrics", line)
        assert found, line
        yield Endpoint(found[0])
    finally:
        process.terminate()
        code = process.wait(20)
        process.stdout.close()
    assert code == 0


@pytest.fixture(scope="module")
def data(two_device_run: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run's data folder, with one more window, which has a lost attempt and no later one."""
    folder = tmp_path_factory.mktemp("metrics") / "data"
    shutil.copytree(two_device_run.cwd / "data", folder)
    with closing(Ledger(RunLayout.under(folder, RUN_ID).ledger)) as ledger:
        ledger.add(Role.TEACHER, [TRIED_AGAIN])
        attempt = ledger.send(Role.TEACHER, TRIED_AGAIN, "cpu0@somewhere")
        assert ledger.retry(Role.TEACHER, TRIED_AGAIN, attempt, FailureClass.LOST, "gone")
    return folder


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One device on a server of its own."""
    with lab(tmp_path_factory.mktemp("fleet"), devices=1) as opened:
        yield opened


def test_the_figures_of_a_run_are_its_ledgers(data: Path) -> None:
    """Windows by outcome, durations, failures, phases, status, progress and events are what ledger and log hold."""
    layout = RunLayout.under(data, RUN_ID)
    before = tree(layout.folder)
    with serving(data) as endpoint:
        families = {sample.name for family in endpoint.scrape() for sample in family.samples}
        assert not any("device" in name or "broker" in name for name in families)
        assert tree(layout.folder) == before, "a scrape wrote into the run's folder"
        assert endpoint.value("gurukul_runs_unreadable") == 0
        status = endpoint.samples("gurukul_run_status")
        assert [labels["status"] for labels, value in status if value] == ["ready-for-review"]
        windows = endpoint.samples("gurukul_windows")
        lines = (data / "analytics" / "training" / f"training_run_{RUN_ID}.jsonl").read_text().splitlines()
        assert endpoint.value("gurukul_events_total", run_id=RUN_ID) == len(lines) > 0
        assert endpoint.value("gurukul_events_lost_total", run_id=RUN_ID) == 0
        failures = endpoint.samples("gurukul_attempt_failures_total")
        assert failures == [({"run_id": RUN_ID, "role": "teacher", "failure": "lost"}, 1)]
        name = "gurukul_work_duration_seconds"
        counts, sums = endpoint.samples(f"{name}_count"), endpoint.samples(f"{name}_sum")
        buckets = endpoint.samples(f"{name}_bucket")
        phases = endpoint.samples("gurukul_phase_duration_seconds")
        progress = endpoint.value("gurukul_last_progress_timestamp_seconds", run_id=RUN_ID)
    with closing(Ledger(layout.ledger)) as ledger:
        records = {role: list(ledger.records(role)) for role in Role}
        for role in (Role.TEACHER, Role.STUDENT):
            found_by_outcome = {labels["outcome"]: value for labels, value in windows if labels["role"] == role}
            assert {outcome: count for outcome, count in found_by_outcome.items() if count} == ledger.counts(role)
        assert {labels["phase"]: value for labels, value in phases} == pytest.approx(
            {phase.name.value: phase.duration_seconds for phase in ledger.phases()}
        )
        began = [phase.started for phase in ledger.phases()]
    took = {
        role: [r.duration_seconds for r in found if r.duration_seconds is not None] for role, found in records.items()
    }
    assert {labels["role"]: value for labels, value in counts} == {r.value: len(t) for r, t in took.items() if t}
    assert {labels["role"]: value for labels, value in sums} == pytest.approx(
        {r.value: sum(t) for r, t in took.items() if t}
    )
    assert {float(labels["le"]) for labels, _ in buckets} == {*DURATION_BUCKETS_S, float("inf")}
    assert all(value == sum(t <= float(labels["le"]) for t in took[Role(labels["role"])]) for labels, value in buckets)
    ended = [record.finished for found in records.values() for record in found if record.finished is not None]
    assert progress == pytest.approx(max(ended + began))


def test_a_device_that_left_is_down_and_runs_are_served_without_a_broker(data: Path, tmp_path: Path) -> None:
    """Devices have their heartbeats' values; one that left stays with 0; without a broker runs are still served."""
    with lab(tmp_path / "lab", devices=1) as opened, serving(data, "--broker", opened.url) as endpoint:
        (name,) = opened.present()
        opened.redis.lpush(name, "waiting")
        assert endpoint.value("gurukul_broker_up") == 1
        assert endpoint.value("gurukul_fleet_devices") == endpoint.value("gurukul_fleet_slots_present") == 1
        assert endpoint.value("gurukul_device_slots", device=name) == 1
        wait_for(lambda: endpoint.value("gurukul_device_utilisation_ratio", device=name) is not None, "its use")
        taken = endpoint.value("gurukul_device_memory_bytes", device=name)
        total = endpoint.value("gurukul_device_memory_total_bytes", device=name)
        assert taken is not None and total is not None and 10 * 2**20 < taken < total
        opened.stop_fleet()
        opened.redis.lpush(name, "waiting")
        wait_for(lambda: endpoint.value("gurukul_device_up", device=name) == 0, "the device to be down")
        assert endpoint.value("gurukul_device_queue_depth", device=name) == opened.redis.llen(name) > 0
        assert endpoint.value("gurukul_fleet_devices") == 0
        opened.stop_server()
        assert endpoint.value("gurukul_broker_up") == 0
        assert endpoint.value("gurukul_device_up", device=name) is None
        assert endpoint.value("gurukul_windows", role="student", outcome="success") is not None
        opened.start_server()
        assert endpoint.value("gurukul_broker_up") == 1


def secret_file(folder: Path) -> Path:
    """A token file."""
    file = folder / "token"
    file.write_text("a-long-one\n")
    file.chmod(0o600)
    return file


def test_with_a_token_only_who_gives_it_is_answered(data: Path, tmp_path: Path) -> None:
    """No other request gets a figure; a token that every user may read, and an empty one, are refused."""
    token = secret_file(tmp_path)
    with serving(data, "--token-file", str(token)) as endpoint:
        for given in (None, "Bearer", "Bearer another", "Basic a-long-one", "Bearer a-long-onee"):
            request = Request(endpoint._url, headers={} if given is None else {"Authorization": given})
            with pytest.raises(HTTPError, match="401") as refused:
                urlopen(request, timeout=10)
            assert refused.value.read() == b""
        with urlopen(Request(endpoint._url, headers={"Authorization": "Bearer a-long-one"}), timeout=10) as answer:
            assert b"gurukul_run_status" in answer.read()
    token.chmod(0o644)
    result = command("metrics", "--data-dir", str(data), "--token-file", str(token), cwd=tmp_path)
    assert (result.returncode, f"chmod 600 {token}" in result.stderr) == (2, True)
    token.write_text("")
    token.chmod(0o600)
    result = command("metrics", "--data-dir", str(data), "--token-file", str(token), cwd=tmp_path)
    assert (result.returncode, "is empty" in result.stderr) == (2, True)


def test_beyond_this_machine_a_token_is_needed(data: Path, tmp_path: Path) -> None:
    """An address that other machines can reach is refused while there is no token file."""
    for address in ("0.0.0.0", "::", "10.0.0.8", ""):
        result = command("metrics", "--data-dir", str(data), "--address", address, cwd=tmp_path)
        assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
        assert f"--address {address}" in result.stderr and "--token-file" in result.stderr


def test_a_failed_start_is_one_line(data: Path, tmp_path: Path) -> None:
    """No such folder, a broker that is not a URL, a port that is taken: exit 2. An unreadable run is only counted."""
    with serving(data) as endpoint:
        port = re.findall(r":(\d+)/", endpoint._url)[0]
        for arguments, message in (
            (("--data-dir", "nowhere"), "no folder nowhere"),
            (("--data-dir", str(data), "--broker", "localhost"), "must start with redis://"),
            (("--data-dir", str(data), "--port", port), "Address already in use"),
        ):
            result = command("metrics", *arguments, cwd=tmp_path)
            assert (result.returncode, message in result.stderr) == (2, True), result.stderr
            assert result.stderr.count("\n") == 1
    broken = tmp_path / "data"
    shutil.copytree(data / "models" / RUN_ID, broken / "models" / RUN_ID)
    (broken / "models" / "torn").mkdir()
    (broken / "models" / "torn" / "ledger.db").write_bytes(b"no ledger at all" * 100)
    with serving(broken) as endpoint:
        assert endpoint.value("gurukul_runs_unreadable") == 1
        assert {labels["run_id"] for labels, _ in endpoint.samples("gurukul_run_status")} == {RUN_ID}


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """(metric, labels that its matchers name) of all that a PromQL expression reads; ValueError if it is none."""
    found: list[tuple[str, set[str]]] = []

    def visit(node: Any) -> bool:
        selector = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
        if isinstance(selector, promql.VectorSelector) and selector.name:
            found.append((selector.name, {matcher.name for matcher in selector.matchers.matchers}))
        return True

    promql.walk(promql.parse(expression), visit)
    assert found
    return found


def grouped(expression: str) -> set[str]:
    """Labels that an expression groups or matches by."""
    lists = re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expression)
    return {label.strip() for each in lists for label in each.split(",") if label.strip()}


def expressions() -> dict[str, str]:
    """Every PromQL expression of the alerts and of the board, by alert or panel."""
    yaml = YAML(typ="safe")
    rules = [rule for group in yaml.load(MONITORING / "alerts.yaml")["groups"] for rule in group["rules"]]
    board = json.loads((MONITORING / "dashboards" / "gurukul.json").read_text())
    panels = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel.get("targets", [])
    }
    return {rule["alert"]: rule["expr"] for rule in rules} | panels


def send_store_use(fleet: Lab) -> StoreUse:
    """Let a device `far` report that it has used a store; what it has moved."""
    use = StoreUse(fetched=3, fetched_bytes=3000, stored=2, stored_bytes=200, kept=5, errors=1, seconds=0.5)
    far = next(iter(fleet.present().values()))
    device = far.device.model_copy(update={"name": "cpu0@far"})
    beat(fleet.redis, far.model_copy(update={"device": device, "store": use}), expiry_s=600.0)
    return use


def test_board_and_alerts_read_only_what_there_is(data: Path, fleet: Lab) -> None:
    """Each metric and label in an expression is one that a scrape of a real run and fleet has; all parse."""
    use = send_store_use(fleet)
    with serving(data, "--broker", fleet.url) as endpoint:
        assert endpoint.value("gurukul_store_bytes_total", device="cpu0@far", how="fetched") == use.fetched_bytes
        assert endpoint.value("gurukul_store_objects_total", device="cpu0@far", how="kept") == use.kept
        assert len(endpoint.samples("gurukul_store_errors_total")) == 1, "only devices with a store have a sample"
        wait_for(lambda: endpoint.samples("gurukul_device_utilisation_ratio"), "a device's use")
        labels: dict[str, set[str]] = {}
        for family in endpoint.scrape():
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
    labels["up"] = {"job", "instance"}
    assert len(labels) > 20
    for place, expression in expressions().items():
        read = selectors(expression)
        for metric, named in read:
            assert metric in labels, (place, metric)
            assert named <= labels[metric], (place, metric)
        assert grouped(expression) <= set().union(*(labels[metric] for metric, _ in read)), place
    exported = {name for name in labels if name.startswith("gurukul_") and not name.endswith(("_sum", "_created"))}
    shown = {metric for expression in expressions().values() for metric, _ in selectors(expression)}
    assert exported - shown <= {
        "gurukul_runs_unreadable", "gurukul_device_slots", "gurukul_device_attempts_done_total",
        "gurukul_device_memory_total_bytes", "gurukul_fleet_slots_present",
    }  # fmt: skip


# Only a run that goes on has them.
OF_ACTIVE_RUNS = {"Since the last progress A"}


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed (Debian: prometheus)")
def test_prometheus_answers_every_query(data: Path, fleet: Lab, tmp_path: Path) -> None:
    """A real server that scrapes a run and a fleet answers each alert's and panel's query, the panels with data."""
    send_store_use(fleet)
    port = free_port()
    url = f"http://127.0.0.1:{port}/api/v1/query?query="
    token = secret_file(tmp_path)
    arguments = ("--broker", fleet.url, "--token-file", str(token))
    with serving(data, *arguments) as endpoint, (tmp_path / "log").open("wb") as log:
        job = YAML(typ="safe").load(MONITORING / "prometheus.yaml")["scrape_configs"][0]
        job["authorization"]["credentials_file"] = str(token)
        job["static_configs"] = [{"targets": [endpoint._url.split("/")[2]]}]
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
        (tmp_path / "prometheus.yaml").write_text(json.dumps(config))
        options = {
            "config.file": "prometheus.yaml",
            "storage.tsdb.path": "tsdb",
            "web.listen-address": f"127.0.0.1:{port}",
        }
        command_line = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
        server = subprocess.Popen(command_line, cwd=tmp_path, stdout=log, stderr=log)

        def rows(expression: str) -> int:
            asked = re.sub(r"\$(run|device)", ".*", expression)
            with urlopen(url + quote(asked), timeout=10) as answer:
                return len(json.load(answer)["data"]["result"])

        def without_data() -> set[str]:
            alerts = {place for place in expressions() if place.startswith("Gurukul")}
            return {place for place, each in expressions().items() if not rows(each)} - alerts

        def is_ready() -> bool:
            with suppress(OSError):
                return without_data() == OF_ACTIVE_RUNS
            return False

        try:
            wait_for(is_ready, "an answer to every query")
        finally:
            server.terminate()
            server.wait(20)


def test_no_panel_of_the_board_covers_another() -> None:
    """Each has an id of its own and fields of the grid, 24 wide, that no other has."""
    panels = json.loads((MONITORING / "dashboards" / "gurukul.json").read_text())["panels"]
    fields = [
        (at["x"] + x, at["y"] + y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["w"])
        for y in range(at["h"])
    ]
    assert len(set(fields)) == len(fields) and max(x for x, _ in fields) == 23
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_alerts_name_what_a_person_must_know() -> None:
    """Fleet empty, no progress for five minutes, failures, a silent device: each has a rule and a sentence."""
    rules = YAML(typ="safe").load(MONITORING / "alerts.yaml")["groups"][0]["rules"]
    by_name = {rule["alert"]: rule for rule in rules}
    assert {"GurukulFleetEmpty", "GurukulNoProgress", "GurukulFailureRate", "GurukulDeviceSilent"} <= by_name.keys()
    assert "> 300 " in by_name["GurukulNoProgress"]["expr"]
    assert all(rule["annotations"]["summary"] for rule in rules)
    used = {label for rule in rules for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])}
    assert used == {"run_id", "device", "reason", "place"}


def test_prometheus_and_grafana_are_given_files_that_are_there() -> None:
    """Each file that Compose mounts exists, parses, and names the services by the names they have."""
    yaml = YAML(typ="safe")
    services = yaml.load(ROOT / "docker" / "compose.yaml")["services"]
    mounts = [m for name in ("prometheus", "grafana") for m in services[name]["volumes"] if m.startswith("./")]
    assert len(mounts) == 5 and all((ROOT / "docker" / mount.split(":")[0]).exists() for mount in mounts)
    scrapes = yaml.load(MONITORING / "prometheus.yaml")
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scrapes["scrape_configs"]}
    assert targets == {"gurukul": ["metrics:9464"], "flower": ["flower:5555"]}
    assert {target.split(":")[0] for each in targets.values() for target in each} <= services.keys()
    (source,) = yaml.load(MONITORING / "datasource.yaml")["datasources"]
    board = json.loads((MONITORING / "dashboards" / "gurukul.json").read_text())
    sources = {panel["datasource"]["uid"] for panel in board["panels"] if "datasource" in panel}
    assert sources == {source["uid"]} and source["url"] == "http://prometheus:9090"
    (provider,) = yaml.load(MONITORING / "board.yaml")["providers"]
    assert any(mount.split(":")[1] == provider["options"]["path"] for mount in mounts)
