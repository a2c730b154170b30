"""A service that the tests of one file share; those that change settings start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.embedded.services import Services
from tests.support.servers import Shop, fresh_database, open_shop
from tests.support.serving import Served, serving


@pytest.fixture(scope="module")
def shared_shop(
    services: Services, champion_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("served")
    with (
        fresh_database(services) as url,
        open_shop(services, url, champion_folder, folder) as shop,
    ):
        yield shop


@pytest.fixture(scope="module")
def served(shared_shop: Shop) -> Iterator[Served]:
    with serving(shared_shop) as running:
        yield running
