"""Do the clocks of the database and of the object storage agree with ours?"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from sqlalchemy import text

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.storage.database import in_transaction

# Windows are cut by upload times that other machines wrote; clocks kept by NTP differ by
# milliseconds. An HTTP date has whole seconds.
MAX_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0
KEEP_TIME = "let NTP (chrony, systemd-timesyncd) run on both machines"

_NOW = text("select clock_timestamp()")


def database_clock(deployment: Deployment) -> Finding:
    """Ask the database what time it is."""
    engine = deployment.connections.engine

    def asked() -> datetime:
        now: datetime = in_transaction(engine, lambda c: c.execute(_NOW).scalar_one())
        return now

    return _compared("the database", asked)


def bucket_clock(deployment: Deployment) -> Finding:
    """Read the date of an answer of the object storage; no key is needed for that."""
    settings = deployment.settings
    url = deployment.connections.photos.endpoint_url
    try:
        return _compared("the object storage", lambda: _date(url))
    except httpx.HTTPError as error:
        return failed(
            f"{url} does not answer: {error}",
            do="start the object storage, or mend MODERATION_S3_ENDPOINT_URL"
            if settings.s3_endpoint_url
            else "let this machine reach the object storage",
        )
    except ValueError as error:
        return failed(f"{url}: {error}", do="let the answers of the object storage keep their Date")


def _date(url: str) -> datetime:
    header = httpx.get(url, timeout=TIMEOUT_SECONDS).headers.get("date")
    if header is None:
        raise ValueError("the answer has no Date")
    return parsedate_to_datetime(header)


def _compared(whose: str, ask: Callable[[], datetime]) -> Finding:
    began = time.monotonic()
    theirs = ask()
    took = time.monotonic() - began
    # The answer is of some moment between question and arrival.
    skew = (theirs - datetime.now(UTC)).total_seconds() + took / 2
    if abs(skew) > MAX_SECONDS + took / 2:
        where = "ahead of" if skew > 0 else "behind"
        return failed(f"{whose} is {abs(skew):.0f} s {where} this machine", do=KEEP_TIME)
    return ok(f"{whose}: within {MAX_SECONDS:.0f} s")
