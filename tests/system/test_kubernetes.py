"""The files of `docker/kubernetes`: they fit their schemas and the program, and are hardened. No cluster runs."""

import shlex
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from orchestrator.cli import cli
from orchestrator.runs.settings import resolve
from schemas.config.run import RunConfig
from workers.cli import cli as workers_cli

FOLDER = Path(__file__).parents[2] / "docker" / "kubernetes"
VERSION = "1.33"
OF_OTHERS = {"kustomize.config.k8s.io/v1beta1", "keda.sh/v1alpha1"}


@cache
def documents() -> list[dict[str, Any]]:
    """Every document of every file."""
    return [each for path in sorted(FOLDER.glob("*.yaml")) for each in YAML(typ="safe").load_all(path)]


def named(kind: str, name: str) -> dict[str, Any]:
    """One resource."""
    found = (each for each in documents() if "metadata" in each)
    return next(each for each in found if (each["kind"], each["metadata"]["name"]) == (kind, name))


RESOURCES = [each for each in documents() if each["apiVersion"] not in OF_OTHERS]
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"]
    for each in RESOURCES
    if "template" in each.get("spec", {})
}


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_a_resource_has_the_fields_that_its_schema_has(resource: dict[str, Any]) -> None:
    """A field that is misspelt, or of another type, is refused by the schema of that Kubernetes version."""
    kubernetes_validate.validate(resource, VERSION, strict=True)


def test_kustomize_is_given_every_file() -> None:
    """A file that is not listed would not be applied; every image has a place to come from."""
    base = YAML(typ="safe").load(FOLDER / "kustomization.yaml")
    assert set(base["resources"]) == {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    images = {container["image"] for pod in PODS.values() for container in pod["containers"]}
    assert images == {each["name"] for each in base["images"]}
    assert all(each["newTag"] != "latest" for each in base["images"])


@pytest.mark.parametrize("name", PODS)
def test_a_pod_may_do_as_little_as_it_can(name: str) -> None:
    """Not root, no capabilities, nothing to write but volumes, no token, bounded memory; its password is a file."""
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    modes = [each["secret"]["defaultMode"] for each in pod["volumes"] if "secret" in each]
    assert set(modes) == {0o440}  # a broker file that every user may read is refused
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"] and "cpu" in container["resources"]["requests"]
        assert {each["mountPath"] for each in container["volumeMounts"]} >= {"/tmp", "/srv/gurukul"}
        assert not any("secretKeyRef" in str(each) for each in container.get("env", ()))
        mounted = {each["name"] for each in container["volumeMounts"]}
        assert mounted == {each["name"] for each in pod["volumes"]}


def test_only_what_works_for_runs_has_the_key() -> None:
    """Workers and orchestrator sign messages; metrics only read, and see the broker's URL and their token alone."""
    for name, pod in PODS.items():
        secrets = {each["name"]: each["secret"] for each in pod["volumes"] if "secret" in each}
        given = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
        if name == "gurukul-metrics":
            assert secrets["broker"]["items"] == [{"key": "url", "path": "url"}] and "GURUKUL_KEY_FILE" not in given
            assert secrets["metrics"] == {"secretName": "gurukul-metrics", "defaultMode": 0o440}
            assert given["GURUKUL_METRICS_TOKEN_FILE"] == "/run/secrets/metrics/token"
        else:
            assert secrets.keys() == {"broker"} and "items" not in secrets["broker"]
            assert given["GURUKUL_KEY_FILE"] == "/run/secrets/broker/key"


def test_a_worker_has_one_gpu_and_the_time_to_finish_its_window() -> None:
    """Kubernetes waits for longer than the worker drains; one pod at a time is evicted."""
    pod = PODS["gurukul-worker"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    drain_s = float(container["command"][container["command"].index("--drain") + 1])
    assert pod["terminationGracePeriodSeconds"] >= drain_s + 30
    budget = named("PodDisruptionBudget", "gurukul-worker")["spec"]
    assert budget["selector"] == named("Deployment", "gurukul-worker")["spec"]["selector"]


def test_commands_are_those_of_the_program() -> None:
    """Each command parses, and the settings of the ConfigMap are those of a run."""
    script = PODS["gurukul-run"]["containers"][0]["command"][-1]
    commands = [shlex.split(line.split("exec ")[1].rstrip("; fi")) for line in script.splitlines() if "exec " in line]
    commands += [PODS[name]["containers"][0]["command"] for name in ("gurukul-worker", "gurukul-metrics")]
    assert [words[1] for words in commands] == ["resume", "run", "start", "metrics"]
    for program, name, *words in commands:
        group: Any = get_command(cli if program == "orchestrator" else workers_cli)
        group.commands[name].make_context(name, words)


def test_the_settings_are_those_of_a_run(tmp_path: Path) -> None:
    """The file of the ConfigMap resolves to a run on a shared fleet."""
    file = tmp_path / "run.toml"
    file.write_text(named("ConfigMap", "gurukul-run")["data"]["run.toml"])
    config = resolve(RunConfig, {"broker": "redis://127.0.0.1:6379/0"}, file)
    assert not config.local_workers and config.min_devices == 1


def test_the_autoscaler_reads_a_metric_that_there_is() -> None:
    """Its query names metrics of the exporter, and it scales the workers."""
    scaled = named("ScaledObject", "gurukul-worker")["spec"]
    assert scaled["scaleTargetRef"] == {"name": "gurukul-worker"} and scaled["minReplicaCount"] == 0
    (trigger,) = scaled["triggers"]
    source = (FOLDER.parents[1] / "orchestrator" / "exporter" / "metrics.py").read_text()
    assert '"run_slots_wanted"' in source and "gurukul_run_slots_wanted" in trigger["metadata"]["query"]
