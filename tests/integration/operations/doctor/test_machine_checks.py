"""Checks of clocks, device and data folder."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from pydantic import SecretStr
from sqlalchemy import make_url

from ml.core.settings import Settings
from ml.operations.doctor import machine_checks
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@contextmanager
def storage_with_clock(off: timedelta | None) -> Iterator[str]:
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


@pytest.mark.parametrize(("hours", "text"), [(1, "s ahead of"), (-1, "s behind this machine")])
def test_wrong_clock_of_object_storage_fails(run_doctor: Examine, hours: int, text: str) -> None:
    with storage_with_clock(timedelta(hours=hours)) as url:
        found = run_doctor(s3_endpoint_url=url)
    assert "bucket clock" in failures(found)
    assert text in found["bucket clock"].message
    assert "NTP" in found["bucket clock"].remedy


def test_clock_within_two_seconds_passes(run_doctor: Examine) -> None:
    with storage_with_clock(timedelta(seconds=-2)) as url:
        assert "bucket clock" not in failures(run_doctor(s3_endpoint_url=url))


def test_answer_without_date_fails(run_doctor: Examine) -> None:
    with storage_with_clock(None) as url:
        found = run_doctor(s3_endpoint_url=url)
    assert "no Date" in found["bucket clock"].message


def test_wrong_clock_of_database_fails(run_doctor: Examine, settings: Settings, shop: Shop) -> None:
    shop.execute(
        "create function public.clock_timestamp() returns timestamptz language sql "
        "as $$ select pg_catalog.clock_timestamp() - interval '10 minutes' $$"
    )
    assert settings.database_url
    # This user's sessions resolve the wrong function first.
    url = make_url(settings.database_url.get_secret_value()).update_query_dict(
        {"options": "-csearch_path=public,pg_catalog"}
    )
    found = run_doctor(database_url=SecretStr(url.render_as_string(hide_password=False)))
    assert failures(found) == ["database clock"]
    assert "behind this machine" in found["database clock"].message


def test_missing_gpu_fails(run_doctor: Examine) -> None:
    device = f"cuda:{torch.cuda.device_count()}"
    found = run_doctor(device=device)
    assert failures(found) == ["device"]
    assert device in found["device"].message
    assert "nvidia-smi" in found["device"].remedy


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_passes(run_doctor: Examine) -> None:
    assert "GPU" in run_doctor(device="cuda")["device"].message


def test_data_folder_that_is_a_file_fails(run_doctor: Examine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = run_doctor(data_dir=tmp_path / "file")
    assert failures(found) == ["disk"]
    assert "MODERATION_DATA_DIR" in found["disk"].remedy


def test_nearly_full_disk_fails(run_doctor: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "MIN_FREE_GIB", 1e9)
    found = run_doctor()
    assert failures(found) == ["disk"]
    assert "free space" in found["disk"].remedy
