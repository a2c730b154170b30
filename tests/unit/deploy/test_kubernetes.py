"""The pod template and the chart values, as the Kubernetes provider and the code read them."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.configuration import retrieve_configuration_description as described
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from kubernetes.client import V1Pod
from pydantic import ValidationError

from check_secrets import NAMES
from ml.core.settings import ROOT, Settings

pytestmark = pytest.mark.airflow

TEMPLATE = ROOT / "deploy" / "kubernetes" / "pod_template_gpu.yaml"
VALUES = yaml.safe_load((TEMPLATE.parent / "helm_values.yaml").read_text(encoding="utf-8"))
IN_IMAGE = "/opt/moderation"


@pytest.fixture(scope="module")
def pod() -> V1Pod:
    """The pod of one task, created as by the executor."""
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


def test_gpu_pod_requests_one_gpu_and_device_cuda(pod: V1Pod) -> None:
    (container,) = pod.spec.containers
    assert container.name == "base"
    assert container.resources.limits["nvidia.com/gpu"] == "1"
    assert {"MODERATION_DEVICE": "cuda"}.items() <= environment(container).items()
    assert container.image.endswith("-cuda")


def test_executor_fields_are_merged_into_the_pod_template(pod: V1Pod) -> None:
    assert pod.spec.containers[0].args[0] == "python"
    assert pod.metadata.labels["dag_id"] == "audit_review_images"
    assert pod.metadata.labels["workload"] == "model"
    assert pod.spec.restart_policy == "Never"


def test_gpu_pod_runs_without_root(pod: V1Pod) -> None:
    assert pod.spec.security_context.run_as_non_root
    assert pod.spec.security_context.run_as_user == 50000
    assert pod.spec.containers[0].security_context.capabilities.drop == ["ALL"]


def environment(container: Any) -> dict[str, str]:  # noqa: ANN401 - the client ships no types
    return {variable.name: variable.value for variable in container.env}


def test_variables_of_pod_and_chart_exist() -> None:
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


def test_pod_mounts_secrets_where_the_settings_read_them(pod: V1Pod) -> None:
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
    assert VALUES["airflowVersion"] == version("apache-airflow")


def test_kubernetes_files_name_existing_paths() -> None:
    text = (TEMPLATE.parent / "helm_values.yaml").read_text(encoding="utf-8")
    named = re.findall(rf"{IN_IMAGE}/([\w./-]+)", text)
    assert len(named) == 3
    assert all((ROOT / path).exists() for path in named)


def test_missing_pod_template_is_rejected(tmp_path: Path) -> None:
    assert Settings(gpu_pod_template=TEMPLATE).gpu_pod_template == TEMPLATE
    with pytest.raises(ValidationError, match="does not point to a file"):
        Settings(gpu_pod_template=tmp_path / "absent.yaml")
