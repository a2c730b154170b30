"""A service shared by the tests of one file; tests that change settings start their own."""

from collections.abc import Iterator

import pytest

from devtools.embedded.services import Services
from tests.support.servers import Shop, fresh_shop
from tests.support.serving import RunningService, serving


@pytest.fixture(scope="module")
def shared_shop(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("served")
    with fresh_shop(services, folder) as shop:
        yield shop


@pytest.fixture(scope="module")
def served(shared_shop: Shop) -> Iterator[RunningService]:
    with serving(shared_shop) as running:
        yield running
