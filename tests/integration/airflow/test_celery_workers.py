"""The compose file's services as processes: Redis and Celery workers, one killed in a shard."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import redis
from celery import Celery

from devtools.embedded import services as embedded
from devtools.embedded.process import wait_for
from devtools.local_stack.airflow import Airflow
from devtools.local_stack.airflow_client import AirflowClient
from devtools.local_stack.celery import COMPONENTS, Worker, Workers, celery_variables
from devtools.local_stack.redis import Redis
from ml.operations.doctor.check import CheckStatus
from tests.support.airflow_doctor import run_airflow_checks
from tests.support.airflow_runs import (
    AUDIT,
    RUN_SECONDS,
    audit_variables,
    count_settled,
    trigger_audit,
    wait_for_run,
)
from tests.support.nightly_run import delete_results, dump_results, run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.programs import NO_REDIS, require_program
from tests.support.servers import Shop

pytestmark = [
    pytest.mark.integration,
    pytest.mark.airflow,
    pytest.mark.slow,
]

PHOTOS, SHARD = 1500, 500
CPU, GPU = Worker("cpu", "default", concurrency=2), Worker("gpu", "gpu")
ANOTHER_GPU = Worker("gpu-2", "gpu")
LOGIN = "AIRFLOW_CONN_MODERATION_AIRFLOW_API"
# In production 300 s and 10 s (docs/runbook.md); shorter for the test.
NOTICE_SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}


@dataclass(frozen=True)
class Cluster:
    """Airflow and its workers."""

    airflow: Airflow
    workers: Workers
    broker_url: str


@pytest.fixture
def cluster(services: embedded.Services, shop: Shop, tmp_path: Path) -> Iterator[Cluster]:
    require_program(Redis.is_installed(), NO_REDIS)
    home = tmp_path / "airflow"
    broker = Redis(home)
    extra = (
        audit_variables(shop, shard_size=SHARD)
        | celery_variables(broker.url)
        | NOTICE_SOON
        | {"MODERATION_GPU_QUEUE": GPU.queue}
    )
    airflow = Airflow(home, services, shop.settings, extra)
    workers = Workers(airflow, broker.url)
    try:
        broker.start()
        airflow.prepare()
        airflow.start(COMPONENTS)
        workers.start([CPU, GPU])
        yield Cluster(airflow, workers, broker.url)
    finally:
        airflow.stop()


def _unbroken(shop: Shop) -> tuple[dict[str, object], object]:
    """Return report and rows of a run in one process, then delete them."""
    report = run_nightly(shop)
    left = dump_results(shop)
    delete_results(shop)
    return report, left


def _deliver_once_more(broker_url: str) -> None:
    """Redeliver unacknowledged messages now, as the broker does after its visibility timeout.

    Returns when the worker that is left has taken the message and done with it.
    """
    at_once = {"visibility_timeout": 0}
    with (
        Celery(broker=broker_url, broker_transport_options=at_once) as app,
        app.connection_for_write() as connection,
        redis.Redis.from_url(broker_url) as broker,
    ):
        # Only the killed worker's message: the last task's is acknowledged after its end.
        assert wait_for(lambda: broker.hlen("unacked") == 1, seconds=RUN_SECONDS)
        connection.default_channel.qos.restore_visible()
        waiting = partial(broker.llen, GPU.queue)
        assert wait_for(lambda: not waiting() + broker.hlen("unacked"), seconds=RUN_SECONDS)


def _written(shop: Shop) -> set[tuple[object, ...]]:
    """Return the verdicts with the transaction that wrote each."""
    return set(shop.rows("select content_sha256, xmin::text from moderation.verdict"))


def _judged_by_the_tasks(client: AirflowClient, run_id: str) -> int:
    """Return the number of photos by the return values of the shards' last attempts."""
    shards = range(PHOTOS // SHARD)
    counts = [client.result(AUDIT, run_id, "score_shard", shard) for shard in shards]
    return sum(each["judged"] + each["quarantined"] for each in counts)


def _the_doctor_sees_what_is_wrong(cluster: Cluster, dags: Path) -> None:
    dags.mkdir()
    (dags / "broken.py").write_text("from airflow.sdk import dag\nmisspelt(dag)\n")
    found = _ill(
        cluster,
        MODERATION_GPU_POOL="none",
        AIRFLOW__CELERY__BROKER_URL=cluster.broker_url.replace("@", "wrong@"),
        AIRFLOW__CORE__DAGS_FOLDER=str(dags),
    )
    assert found["DAG files"] == "broken.py: NameError: name 'misspelt' is not defined"
    assert "no pool none" in found["pool"]
    assert "Redis rejects the password" in found["broker"]
    assert found["workers"] == "needs broker"

    login = json.loads(cluster.airflow.environment()[LOGIN]) | {"password": "wrong password"}
    found = _ill(cluster, **{LOGIN: json.dumps(login)})
    assert "/auth/token answers 401" in found["Airflow"]
    assert found["pool"] == "needs Airflow"


def _ill(cluster: Cluster, **changed: str) -> dict[str, str]:
    """Return the doctor's Airflow checks that did not pass."""
    found = run_airflow_checks(cluster.airflow.environment(), **changed)
    return {name: f.message for name, f in found.items() if f.state != CheckStatus.OK}


@pytest.mark.timeout(1200)
def test_nightly_run_continues_after_its_gpu_worker_is_killed(
    cluster: Cluster, shop: Shop, tmp_path: Path
) -> None:
    for i in range(PHOTOS):
        shop.upload(f"{i:05}.jpg", photo(BRIGHT if i % 4 else DARK, seed=i) if i % 50 else b"bad")
    unbroken, left = _unbroken(shop)

    with cluster.airflow.client() as client:
        assert _ill(cluster) == {}
        trigger_audit(client, "worker-killed", shop.window)
        assert wait_for(lambda: count_settled(shop, "worker-killed") > 0, seconds=RUN_SECONDS)
        cluster.workers.kill(GPU)
        before, kept = count_settled(shop, "worker-killed"), _written(shop)
        assert 0 < before < SHARD
        assert not cluster.workers.answers(GPU)
        assert _ill(cluster) == {"workers": "no worker of queue gpu"}
        cluster.workers.start([ANOTHER_GPU])
        assert wait_for_run(client, AUDIT, "worker-killed") == "success"
        _deliver_once_more(cluster.broker_url)
        tasks = client.tasks(AUDIT, "worker-killed")
        # No photo was scored twice: the verdicts of the killed attempt are unchanged,
        # and the other attempts scored the rest.
        assert kept <= _written(shop)
        assert _judged_by_the_tasks(client, "worker-killed") == PHOTOS - before

    _the_doctor_sees_what_is_wrong(cluster, tmp_path / "dags")
    tries = {t["map_index"]: t["try_number"] for t in tasks if t["task_id"] == "score_shard"}
    assert len(tries) == PHOTOS // SHARD
    assert tries[0] > 1
    assert {t["queue"] for t in tasks if t["task_id"] in ("preflight", "score_shard")} == {"gpu"}
    assert {t["queue"] for t in tasks if t["task_id"] in ("discover", "report")} == {"default"}
    report = shop.rows("select report from moderation.audit_run where run_id = 'worker-killed'")[0][
        0
    ]
    assert isinstance(report, dict)
    counts = ("listed", "judged", "quarantined", "already_judged", "verdicts")
    assert {name: report[name] for name in counts} == {name: unbroken[name] for name in counts}
    assert report["listed"] == report["judged"] + report["quarantined"] == PHOTOS
    assert dump_results(shop) == left
