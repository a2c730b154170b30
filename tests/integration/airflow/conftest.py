"""One Airflow that runs DAGs, shared by all tests of this folder, which run sequentially."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from devtools.embedded.services import Services
from devtools.local_stack.airflow import Airflow
from ml.core.settings import Settings
from tests.support.airflow import InstallAirflow
from tests.support.airflow_runs import audit_variables
from tests.support.policies import without_screens
from tests.support.servers import Shop, delete_photos, empty_tables, own_bucket

SHARD_SIZE = 100
TASK_USER = "moderation_tasks"


@dataclass(frozen=True)
class RunningAirflow:
    """Scheduler, DAG processor and API server, and the shop whose photos they score."""

    airflow: Airflow
    shop: Shop
    presets: Path  # the default preset, to be written, is `tiny.yaml` in it


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
        extra["MODERATION_RETRAIN_PRESET"] = str(folder / "tiny.yaml")
        # No credentials in the environment: tasks and pages have those of Airflow connections.
        settings = with_task_user(shop)
        with install_airflow(folder / "airflow", settings, extra, connections=True) as airflow:
            yield RunningAirflow(airflow, shop, folder)


def with_task_user(shop: Shop) -> Settings:
    """The settings with a database user of the tasks' own, whose password tests may change."""
    if not shop.rows("select 1 from pg_roles where rolname = :r", r=TASK_USER):
        shop.execute(f"create role {TASK_USER} login superuser")
    return shop.settings.model_copy(update={"database_url": set_task_password(shop)})


def set_task_password(shop: Shop) -> SecretStr:
    """Give the tasks' database user a new password, and return the URL with it."""
    password = secrets.token_hex(16)
    shop.execute(f"alter role {TASK_USER} password '{password}'")
    url = make_url(shop.settings.database_url.get_secret_value())  # type: ignore[union-attr]
    url = url.set(username=TASK_USER, password=password)
    return SecretStr(url.render_as_string(hide_password=False))


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
