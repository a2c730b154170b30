"""A thousand odd and hostile bodies: each is refused with a reason, none is the server's fault."""

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.serving.hostile import Hostile, bodies, odd_files, raw_requests
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop
from tests.support.serving import SECONDS, Served, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

NUMBER = 1200  # luck makes a photo of one in ten


@pytest.fixture(scope="module")
def served(shared_shop: Shop) -> Iterator[Served]:
    """One that does not wait long for a body that does not come."""
    with serving(shared_shop, serve_body_seconds=5.0) as running:
        yield running


def answers(served: Served, hostile: Iterable[Hostile]) -> Counter[int]:
    """Send them all; check each answer, and count statuses."""
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


def test_a_thousand_bodies_are_refused_with_a_reason(served: Served) -> None:
    statuses = answers(served, bodies(NUMBER))
    assert statuses.total() == NUMBER
    assert {400, 413, 415, 422} <= statuses.keys()
    assert NUMBER - statuses[200] >= 1000
    # And it judges as before.
    assert served.predict(photo(BRIGHT)).json()["result"] == "normal"
    assert served.service.load.images == served.service.load.bytes == 0


def test_real_odd_files(served: Served, real_data: Path) -> None:
    found = list(odd_files(real_data / "odd"))
    if not found:
        pytest.skip("the real photos have no folder `odd`")
    assert answers(served, found).total() == len(found)


@pytest.mark.parametrize("name", raw_requests(""))
def test_what_is_hardly_http(served: Served, name: str) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS) as connection:
        connection.sendall(raw_requests(served.token)[name])
        said = connection.recv(65536)
    assert said.startswith(b"HTTP/1.1 4"), said
    assert b"\r\n\r\n" in said
    assert served.predict(photo(BRIGHT)).status_code == 200
