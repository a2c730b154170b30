"""Clocks that go wrong: a server whose Date does; a function in the way of the database's own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from ml.core.settings import Settings
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@contextmanager
def storage_whose_clock_is(off: timedelta | None) -> Iterator[str]:
    """A server on 127.0.0.1 whose Date is that far from now; None sends none."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(403)
            if off is not None:
                self.send_header("Date", format_datetime(datetime.now(UTC) + off, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("hours", "said"), [(1, "s ahead of"), (-1, "s behind this machine")])
def test_the_object_storages_clock_goes_wrong(examined: Examine, hours: int, said: str) -> None:
    with storage_whose_clock_is(timedelta(hours=hours)) as url:
        found = examined(s3_endpoint_url=url)
    assert "bucket clock" in failures(found)
    assert said in found["bucket clock"].message
    assert "NTP" in found["bucket clock"].remedy


def test_two_seconds_are_nothing(examined: Examine) -> None:
    with storage_whose_clock_is(timedelta(seconds=-2)) as url:
        assert "bucket clock" not in failures(examined(s3_endpoint_url=url))


def test_an_answer_without_a_date(examined: Examine) -> None:
    with storage_whose_clock_is(None) as url:
        found = examined(s3_endpoint_url=url)
    assert "no Date" in found["bucket clock"].message


def test_the_databases_clock_goes_wrong(examined: Examine, settings: Settings, shop: Shop) -> None:
    shop.execute(
        "create function public.clock_timestamp() returns timestamptz language sql "
        "as $$ select pg_catalog.clock_timestamp() - interval '10 minutes' $$"
    )
    assert settings.database_url
    # In this user's sessions the wrong clock is found before the right one.
    url = make_url(settings.database_url.get_secret_value()).update_query_dict(
        {"options": "-csearch_path=public,pg_catalog"}
    )
    found = examined(database_url=SecretStr(url.render_as_string(hide_password=False)))
    assert failures(found) == ["database clock"]
    assert "behind this machine" in found["database clock"].message
