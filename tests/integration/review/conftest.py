from collections.abc import Iterator

import pytest

from ml.core.settings import CommerceNames
from ml.storage.commerce import review_image
from ml.storage.database import connect
from tests.integration.review.queue_fixture import Room


@pytest.fixture
def room(database_url: str) -> Iterator[Room]:
    engine = connect(database_url)
    yield Room(engine, review_image(CommerceNames()))
    engine.dispose()
