import pytest

from ml.storage.database import newest
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_a_database_of_an_older_version(examined: Examine, shop: Shop) -> None:
    shop.execute(
        "update moderation.alembic_version set version_num = '0000' where version_num = :newest",
        newest=newest(),
    )
    found = examined()
    assert failures(found) == ["migrations"]
    assert "python -m ml migrate" in found["migrations"].remedy
