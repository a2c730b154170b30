"""Where the tasks run that need the model: their pool, queue and, on Kubernetes, their pod."""

from typing import Any

from ml.settings import Settings


def model_place(settings: Settings) -> dict[str, Any]:
    """Arguments of such a task.

    The queue is what CeleryExecutor goes by, the pod template what KubernetesExecutor goes by; each
    ignores the other's, and LocalExecutor both.
    """
    place: dict[str, Any] = {"pool": settings.judge_pool, "queue": settings.judge_queue}
    if settings.judge_pod_template:
        place["executor_config"] = {"pod_template_file": str(settings.judge_pod_template)}
    return place
