import sys

from ml.settings import ROOT, Settings

sys.path.append(str(ROOT / "plugins"))  # as Airflow does

from moderation_airflow.model_place import model_place

TEMPLATE = ROOT / "docker" / "kubernetes" / "pod_template_gpu.yaml"


def test_pool_and_queue_are_the_settings() -> None:
    settings = Settings(judge_pool="models", judge_queue="gpu")
    assert model_place(settings) == {"pool": "models", "queue": "gpu"}


def test_a_pod_template_is_for_kubernetes() -> None:
    place = model_place(Settings(judge_pod_template=TEMPLATE))
    assert place["executor_config"] == {"pod_template_file": str(TEMPLATE)}
