"""The pod template and the chart's values, as the provider and the code read them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.configuration import retrieve_configuration_description as described
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from kubernetes.client import V1Pod
from pydantic import ValidationError

from ml.settings import ROOT, Settings
from secret_files import NAMES

pytestmark = pytest.mark.airflow

TEMPLATE = ROOT / "docker" / "kubernetes" / "pod_template_gpu.yaml"
VALUES = yaml.safe_load((TEMPLATE.parent / "helm_values.yaml").read_text(encoding="utf-8"))
IN_IMAGE = "/opt/moderation"


@pytest.fixture(scope="module")
def pod() -> V1Pod:
    """The pod of one task, made as the executor makes it."""
    return PodGenerator.construct_pod(
        dag_id="audit_review_images",
        task_id="judge",
        pod_id="judge-0",
        try_number=1,
        kube_image="",
        date=None,
        run_id="scheduled__2026-11-22T18:00:00+00:00",
        map_index=0,
        args=["python", "-m", "airflow.sdk.execution_time.execute_workload"],
        pod_override_object=None,
        base_worker_pod=PodGenerator.deserialize_model_file(str(TEMPLATE)),
        namespace="airflow",
        scheduler_job_id="1",
    )


def test_it_asks_for_one_gpu_and_insists_on_it(pod: V1Pod) -> None:
    (container,) = pod.spec.containers
    assert container.name == "base"
    assert container.resources.limits["nvidia.com/gpu"] == "1"
    assert {"MODERATION_DEVICE": "cuda"}.items() <= environment(container).items()
    assert container.image.endswith("-cuda")


def test_what_the_executor_adds_stands_beside_it(pod: V1Pod) -> None:
    assert pod.spec.containers[0].args[0] == "python"
    assert pod.metadata.labels["dag_id"] == "audit_review_images"
    assert pod.metadata.labels["workload"] == "model"
    assert pod.spec.restart_policy == "Never"


def test_it_runs_without_root(pod: V1Pod) -> None:
    assert pod.spec.security_context.run_as_non_root
    assert pod.spec.security_context.run_as_user == 50000
    assert pod.spec.containers[0].security_context.capabilities.drop == ["ALL"]


def environment(container: Any) -> dict[str, str]:  # noqa: ANN401 - the client ships no types
    return {variable.name: variable.value for variable in container.env}


def test_its_variables_and_the_charts_exist() -> None:
    (container,) = PodGenerator.deserialize_model_file(str(TEMPLATE)).spec.containers
    chart = {variable["name"]: variable["value"] for variable in VALUES["env"]}
    known = {f"MODERATION_{name.upper()}" for name in Settings.model_fields}
    for name in environment(container) | chart:
        if name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert option in described()[section]["options"]
        else:
            assert name in known | {"MODERATION_SECRETS_DIR"}
    for section, options in VALUES["config"].items():
        assert set(options) <= set(described()[section]["options"])


def test_the_secrets_lie_where_the_settings_look(pod: V1Pod) -> None:
    folder = environment(pod.spec.containers[0])["MODERATION_SECRETS_DIR"]
    mounted = {m.name: m.mount_path for m in pod.spec.containers[0].volume_mounts}
    assert mounted["secrets"] == folder
    assert mounted["model-cache"] == "/var/lib/moderation"
    assert set(mounted) == {volume.name for volume in pod.spec.volumes}
    (mount,) = VALUES["volumeMounts"]
    assert mount["mountPath"] == folder
    documented = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    files = re.findall(r"--from-file=\S*/(moderation_\w+)", documented)
    assert set(files) == {name for name in NAMES if name.startswith("moderation_")}


def test_the_chart_runs_the_same_airflow_as_everywhere() -> None:
    pinned = (ROOT / "docker" / "requirements.txt").read_text(encoding="utf-8")
    assert f"\napache-airflow=={VALUES['airflowVersion']}\n" in pinned


def test_every_path_of_ours_exists() -> None:
    text = (TEMPLATE.parent / "helm_values.yaml").read_text(encoding="utf-8")
    named = re.findall(rf"{IN_IMAGE}/([\w./-]+)", text)
    assert len(named) == 3
    assert all((ROOT / path).exists() for path in named)


def test_a_template_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert Settings(judge_pod_template=TEMPLATE).judge_pod_template == TEMPLATE
    with pytest.raises(ValidationError, match="does not point to a file"):
        Settings(judge_pod_template=tmp_path / "absent.yaml")
