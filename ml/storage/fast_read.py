"""Object reads by obstore, for a fraction of boto3's processor time; boto3 decides all doubts.

obstore reads where, and with the credentials that, boto3 has just read with. Bytes that it returns
are of the ETag, the length and the MD5 that were asked for. After anything else (an error, no ETag,
other bytes) boto3 reads the same object: errors, remedies and retries are boto3's alone.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

import obstore
import structlog
from botocore.exceptions import BotoCoreError
from botocore.signers import RequestSigner
from botocore.utils import get_environ_proxies
from obstore.exceptions import BaseError
from obstore.store import S3Store

from ml.core.errors import ObjectArchived, ObjectChanged, ObjectNotFound, StorageError
from ml.storage.s3_client import ca_bundle
from ml.storage.s3_responses import ExpectedObject, is_other_md5, opaque_etag

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Credential
    from types_boto3_s3 import S3Client

MAX_DIFFERENCES = 5  # failed reads in a row that boto3 answers well, before obstore is given up
# obstore asks for credentials again when these have less than 5 minutes left: once a minute.
# botocore renews rotating ones 10 minutes before they expire.
_CREDENTIALS_TTL = timedelta(minutes=6)
# obstore raises Python's own errors, too: FileNotFoundError, or ValueError of some keys.
_ERRORS = (BaseError, OSError, ValueError, RuntimeError)
_OF_THE_OBJECT = (ObjectNotFound, ObjectChanged, ObjectArchived)

log = structlog.get_logger()


class FastReader:
    """Reads of one bucket; thread-safe.

    obstore is tried only while boto3's latest answer was good: an outage costs each thread one
    request more. If boto3 answers well what obstore could not, MAX_DIFFERENCES times in a row
    (KMS, whose ETags are no MD5; a proxy), the bucket is read by boto3 alone from then on.
    """

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._bucket = bucket
        config: Any = client.meta.config  # its options are attributes that its stub lacks
        self._timeouts: ClientConfig = {
            "connect_timeout": timedelta(seconds=config.connect_timeout),
            "read_timeout": timedelta(seconds=config.read_timeout),
        }
        self._lock = Lock()
        self._url = ""
        self._signer: RequestSigner | None = None
        self._signed_with: object = None  # the credentials when the store was opened
        self._store: S3Store | None = None
        self._is_bucket_well = False
        self._differences = 0
        client.meta.events.register("before-call.s3.GetObject", self._follow_boto3)

    @property
    def is_used(self) -> bool:
        """Whether the next read is obstore's."""
        return self._usable_store() is not None

    def close(self) -> None:
        """Close the connections; later reads are boto3's."""
        self._is_bucket_well, self._store = False, None

    def read(
        self,
        key: str,
        expected: ExpectedObject,
        by_boto3: Callable[[str, ExpectedObject], bytes],
    ) -> bytes:
        """The bytes of an object, read by obstore or else by `by_boto3`; raises as that does."""
        store = self._usable_store()
        if store is not None:
            data = _read(store, key, expected)
            if data is not None:
                self._differences = 0
                return data
            self._is_bucket_well = False
        try:
            data = by_boto3(key, expected)
        except _OF_THE_OBJECT:
            self._is_bucket_well = True
            raise
        # Those that boto3 has just renewed explain what obstore could not read with the old ones.
        if store is not None and store is self._store and not self._is_outdated():
            self._count_difference()
        self._is_bucket_well = True
        return data

    def _usable_store(self) -> S3Store | None:
        usable = self._is_bucket_well and self._differences < MAX_DIFFERENCES
        return self._store if usable and not _is_forked() else None

    def _count_difference(self) -> None:
        with self._lock:
            self._differences += 1
            is_last = self._differences == MAX_DIFFERENCES
        if is_last:
            log.warning("objects are read by boto3 alone", bucket=self._bucket)

    def _follow_boto3(
        self,
        *,
        params: dict[str, Any],
        request_signer: RequestSigner,
        context: dict[str, Any],
        **_: object,
    ) -> None:
        """Read from where boto3 is about to read: it knows endpoint, addressing style and region.

        botocore calls this before each GET; `params` has the URL, with the key as its path.
        """
        if context.get("s3_redirect", {}).get("bucket") != self._bucket:
            return
        url = params["url"].removesuffix(params["url_path"])
        self._signer = request_signer
        with self._lock:
            # obstore would keep credentials that the store refuses for up to a minute.
            if url != self._url or self._is_outdated():
                region = context.get("signing", {}).get("region") or request_signer.region_name
                self._signed_with = _frozen_credentials(request_signer)
                self._store = self._open_store(url, region, request_signer)
                self._url = url

    def _is_outdated(self) -> bool:
        """Whether boto3 signs with other credentials than when the store was opened."""
        return self._signer is not None and _frozen_credentials(self._signer) != self._signed_with

    def _open_store(self, url: str, region: str, signer: RequestSigner) -> S3Store | None:
        """Open obstore's side; None leaves the bucket to boto3, which this must never disturb."""
        # Whatever AWS_... variables say: obstore would read them, too.
        config: S3Config = {
            "aws_endpoint_url_s3": url,  # has the bucket, hence "virtual hosted"
            "virtual_hosted_style_request": True,
            "region": region,
            "skip_signature": False,
        }
        try:
            if _is_forked() or not _is_like_boto3(url, signer):
                return None
            return S3Store(
                self._bucket,
                config=config,
                client_options={"allow_http": url.startswith("http://"), **self._timeouts},
                retry_config={"max_retries": 0},
                credential_provider=_credentials_of(signer),
            )
        except (*_ERRORS, BotoCoreError) as error:
            log.warning(
                "objects are read by boto3 alone", bucket=self._bucket, cause=type(error).__name__
            )
            return None


def _read(store: S3Store, key: str, expected: ExpectedObject) -> bytes | None:
    """The bytes, if they are all there and those that were asked for."""
    etag, max_bytes = expected.etag, expected.max_bytes
    try:
        result = obstore.get(store, key, options={"if_match": f'"{etag}"'} if etag else {})
        meta = result.meta
        found, size = opaque_etag(meta["e_tag"] or ""), meta["size"]
        # The path is the key, unless that begins or ends with "/".
        if not found or meta["path"] != key or etag not in (None, found):
            return None
        if expected.size_bytes not in (None, size) or (max_bytes is not None and size > max_bytes):
            return None
        data = result.bytes().to_bytes()
    except (*_ERRORS, StorageError):  # the latter of credentials that cannot be renewed
        return None
    return None if len(data) != size or is_other_md5(found, data) else data


def _is_like_boto3(url: str, signer: RequestSigner) -> bool:
    """Whether obstore would sign as boto3 does, and reach and trust what boto3 does."""
    # obstore signs by version 4 alone; botocore's name of version 2 is "s3".
    if signer.signing_name != "s3" or signer.signature_version != "s3v4":
        return False
    if _frozen_credentials(signer) is None:
        return False
    if get_environ_proxies(url):
        return False
    return not (url.startswith("https://") and ca_bundle())


def _frozen_credentials(signer: RequestSigner) -> Any:  # noqa: ANN401 - botocore has no public type
    return signer.get_auth_instance(signer.signing_name, signer.region_name).credentials


def _credentials_of(signer: RequestSigner) -> "Callable[[], S3Credential]":
    """Those that boto3 signs with, renewed as boto3 renews them."""

    def provide() -> "S3Credential":
        frozen = _frozen_credentials(signer)
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_TTL,
        }

    return provide


_process: list[int] = []  # the process that has obstore's threads, once there are any


def _is_forked() -> bool:
    """Whether this is a fork of a process that used obstore: its threads are missing here."""
    if not _process:
        _process.append(os.getpid())
    return _process[0] != os.getpid()
