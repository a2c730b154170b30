"""Fixtures: Airflow's metadata database, migrated once per worker and copied per installation."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from devtools.embedded.services import Services
from devtools.local_stack.airflow import COMPONENTS, Airflow
from ml.core.settings import Settings
from tests.support.servers import copied_database, settings_for

# `install_airflow(home, settings, extra, components)`: a running installation.
InstallAirflow = Callable[..., AbstractContextManager[Airflow]]


@pytest.fixture(scope="session")
def install_airflow(services: Services, tmp_path_factory: pytest.TempPathFactory) -> InstallAirflow:
    """Start Airflow on its own metadata database; it is stopped at the end of the block."""
    migrated = settings_for(services, services.database_url)
    Airflow(tmp_path_factory.mktemp("migrated") / "airflow", services, migrated).prepare()

    @contextmanager
    def install(
        home: Path,
        settings: Settings,
        extra: dict[str, str],
        components: Collection[str] = COMPONENTS,
        *,
        connections: bool = False,
    ) -> Iterator[Airflow]:
        with copied_database(services, services.airflow_database_url) as metadata:
            own = replace(services, airflow_database_url=metadata)
            airflow = Airflow(home, own, settings, extra, connections=connections)
            try:
                airflow.start(components)
                yield airflow
            finally:
                airflow.stop()

    return install
