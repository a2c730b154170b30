import sys

from ml.core.settings import ROOT, Settings

sys.path.append(str(ROOT / "plugins"))  # as Airflow does

from moderation_airflow.task_defaults import task_placement

TEMPLATE = ROOT / "deploy" / "kubernetes" / "pod_template_gpu.yaml"


def test_task_placement_uses_pool_and_queue_of_the_settings() -> None:
    settings = Settings(gpu_pool="models", gpu_queue="gpu")
    assert task_placement(settings) == {"pool": "models", "queue": "gpu"}


def test_pod_template_is_passed_to_the_executor() -> None:
    place = task_placement(Settings(gpu_pod_template=TEMPLATE))
    assert place["executor_config"] == {"pod_template_file": str(TEMPLATE)}
