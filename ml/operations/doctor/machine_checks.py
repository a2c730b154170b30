"""Checks of the machine: its disk, and its clock versus those of database and object storage."""

import shutil
import ssl
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from ml.operations.doctor.bucket_checks import START_STORAGE
from ml.operations.doctor.check import Deployment, Finding, failed, ok
from ml.storage.database import current_time, in_transaction
from ml.storage.s3_client import ca_bundle
from ml.storage.s3_errors import BUNDLE, PROXY, UNKNOWN_AUTHORITY

# Windows select photos by upload times that other machines wrote; clocks synchronized by NTP differ
# by milliseconds. An HTTP date has whole seconds.
_MAX_SKEW_SECONDS = 5.0
_TIMEOUT_SECONDS = 10.0


def check_database_clock(deployment: Deployment) -> Finding:
    """Compare with the clock of the database."""
    engine = deployment.connections.engine
    return _compare_clock("the database", lambda: in_transaction(engine, current_time))


def check_bucket_clock(deployment: Deployment) -> Finding:
    """Compare with the Date header of the object storage; needs no key."""
    url = deployment.connections.photos.endpoint_url
    try:
        return _compare_clock("the object storage", lambda: _response_date(url))
    except httpx.HTTPError as error:
        has_url = deployment.settings.s3_endpoint_url is not None
        remedy = _remedy_of(error, has_url=has_url)
        return failed(f"{url} does not answer: {error}", remedy=remedy)
    except OSError as error:  # ssl's, of a bundle that it cannot read
        return failed(f"AWS_CA_BUNDLE: {error}", remedy=BUNDLE)
    except ValueError as error:
        remedy = "let the answers of the object storage keep their Date"
        return failed(f"{url}: {error}", remedy=remedy)


def _remedy_of(error: httpx.HTTPError, *, has_url: bool) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return UNKNOWN_AUTHORITY
    if isinstance(error, httpx.ProxyError):
        return PROXY
    return START_STORAGE if has_url else "let this machine reach the object storage"


def _response_date(url: str) -> datetime:
    bundle = ca_bundle()  # as boto3 does
    trusted = ssl.create_default_context(cafile=bundle) if bundle else True
    header = httpx.get(url, timeout=_TIMEOUT_SECONDS, verify=trusted).headers.get("date")
    if header is None:
        raise ValueError("the answer has no Date")
    return parsedate_to_datetime(header)


def _compare_clock(owner: str, ask: Callable[[], datetime]) -> Finding:
    started = time.monotonic()
    remote = ask()
    elapsed = time.monotonic() - started
    # The remote clock was read at some moment of the round trip: assume its middle.
    skew = (remote - datetime.now(UTC)).total_seconds() + elapsed / 2
    if abs(skew) > _MAX_SKEW_SECONDS + elapsed / 2:
        direction = "ahead of" if skew > 0 else "behind"
        message = f"{owner} is {abs(skew):.0f} s {direction} this machine"
        return failed(message, remedy="let NTP (chrony, systemd-timesyncd) run on both machines")
    return ok(f"{owner}: within {_MAX_SKEW_SECONDS:.0f} s")


# A cached version has 45 MB; a retraining run writes checkpoints of three times that, and its
# photos' pixels, into the same folder.
MIN_FREE_GIB = 2.0


def check_disk(deployment: Deployment) -> Finding:
    """Write a file into the data folder and check the free space there."""
    folder = deployment.settings.data_dir
    remedy = "set MODERATION_DATA_DIR to a writable folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"written by the doctor")
        free = shutil.disk_usage(folder).free / 2**30
    except OSError as error:
        return failed(f"{folder} cannot be written: {error}", remedy=remedy)
    if free < MIN_FREE_GIB:
        message = f"{folder}: {free:.1f} GiB free, {MIN_FREE_GIB:.0f} are needed"
        return failed(message, remedy=f"free space, or {remedy}")
    return ok(f"{folder}: {free:.0f} GiB free")
