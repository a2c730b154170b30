from collections.abc import Iterator

import pytest

from ml.storage.database import connect
from tests.support.audit_rows import Rows


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    engine = connect(database_url)
    yield Rows(engine)
    engine.dispose()
