"""Over a thousand hostile bodies: each is rejected with a reason, none causes a server error."""

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.moderation.serving.hostile import Hostile, bodies, odd_files, raw_requests
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop
from tests.support.serving import SECONDS, RunningService, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

NUMBER = 1200  # about one in ten happens to be a valid photo


@pytest.fixture(scope="module")
def served(shared_shop: Shop) -> Iterator[RunningService]:
    """A service with a short upload timeout."""
    with serving(shared_shop, serve_upload_timeout_seconds=5.0) as running:
        yield running


def answers(served: RunningService, hostile: Iterable[Hostile]) -> Counter[int]:
    """Send all bodies; check each response and count the statuses."""
    statuses: Counter[int] = Counter()
    with served.client() as client:
        for one in hostile:
            headers = {"Content-Type": one.content_type.encode("latin-1")}
            answer = client.post("/predict", content=one.body, headers=headers)
            _check(one, answer)
            statuses[answer.status_code] += 1
    return statuses


def _check(one: Hostile, answer: httpx.Response) -> None:
    allowed = {*range(400, 500), *([200] if one.may_pass else [])}
    assert answer.status_code in allowed, (one.kind, answer.status_code, answer.text)
    if answer.status_code != 200:
        error = answer.json()["error"]
        assert error["reason"].replace("_", "").isalpha(), error
        assert error["detail"], one.kind


def test_hostile_bodies_are_rejected_with_a_reason(served: RunningService) -> None:
    statuses = answers(served, bodies(NUMBER))
    assert statuses.total() == NUMBER
    assert {400, 413, 415, 422} <= statuses.keys()
    assert NUMBER - statuses[200] >= 1000
    # The service still works.
    assert served.predict(photo(BRIGHT)).json()["result"] == "normal"
    assert served.service.load.images == served.service.load.bytes == 0


def test_odd_files_get_a_verdict_or_a_reason(served: RunningService, real_data: Path) -> None:
    found = list(odd_files(real_data / "odd"))
    if not found:
        pytest.skip("the real photos have no folder `odd`")
    assert answers(served, found).total() == len(found)


@pytest.mark.parametrize("name", raw_requests(""))
def test_malformed_http_does_not_stop_the_service(served: RunningService, name: str) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS) as connection:
        connection.sendall(raw_requests(served.token)[name])
        said = connection.recv(65536)
    assert said.startswith(b"HTTP/1.1 4"), said
    assert b"\r\n\r\n" in said
    assert served.predict(photo(BRIGHT)).status_code == 200
