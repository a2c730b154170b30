from collections.abc import Iterator

import pytest

from ml.core.commerce_names import CommerceNames
from ml.storage.commerce_table import load_commerce_table
from ml.storage.database import connect, in_transaction
from tests.integration.review.queue_fixture import Room


@pytest.fixture
def room(database_url: str) -> Iterator[Room]:
    engine = connect(database_url)
    yield Room(engine, in_transaction(engine, load_commerce_table, CommerceNames()))
    engine.dispose()
