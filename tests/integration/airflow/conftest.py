"""One Airflow that runs DAGs, shared by all tests of this folder, which run sequentially."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devtools.embedded.services import Services
from devtools.local_stack.airflow import Airflow
from tests.support.airflow import InstallAirflow
from tests.support.airflow_runs import audit_variables
from tests.support.policies import without_screens
from tests.support.servers import Shop, delete_photos, empty_tables, own_bucket

SHARD_SIZE = 100


@dataclass(frozen=True)
class RunningAirflow:
    """Scheduler, DAG processor and API server, and the shop whose photos they score."""

    airflow: Airflow
    shop: Shop


@pytest.fixture(scope="package")  # its idle processes would slow down later tests
def running_airflow(
    services: Services,
    install_airflow: InstallAirflow,
    champion_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RunningAirflow]:
    folder = tmp_path_factory.mktemp("runs")
    with own_bucket(services, champion_folder, folder) as shop:
        extra = audit_variables(shop, shard_size=SHARD_SIZE)
        with install_airflow(folder / "airflow", shop.settings, extra) as airflow:
            yield RunningAirflow(airflow, shop)


@pytest.fixture(scope="module")
def empty_airflow(running_airflow: RunningAirflow) -> RunningAirflow:
    """The same, reset for one test file: no rows, no photos, the policy without screens."""
    shop = running_airflow.shop
    empty_tables(shop)
    delete_photos(shop)
    shop.execute(  # the target of a rollback
        "insert into moderation.promotion (model_hash, promoted_by, reason) "
        "values (:m, 'test', 'test')",
        m=shop.model_hash,
    )
    without_screens(shop.settings.policy_file.parent)
    return running_airflow
