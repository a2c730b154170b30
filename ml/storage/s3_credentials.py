"""Credentials of boto3's chain: found at the first request, renewed before and after they expire.

botocore renews what names its expiry. What the store refuses earlier, or without one (a profile
whose file was rewritten, a clock that was wrong), is looked for again and the request repeated.
"""

import os
import time
from collections.abc import Callable, MutableMapping
from threading import Lock
from typing import Any, TypeVar

import botocore.session
import structlog
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
)
from botocore.hooks import BaseEventHooks

from ml.core.errors import BucketForbidden, StorageError, StorageUnavailable

SLOW_SECONDS = 1.0  # a look-up worth a warning: a metadata service that does not answer takes 2
# Whatever says that these very keys are no longer good; the vendors use different ones.
REFUSED_CODES = frozenset(
    {
        "ExpiredToken", "TokenRefreshRequired", "SecurityTokenExpired", "InvalidToken",
        "InvalidSecurityToken", "InvalidAccessKeyId",
    }
)  # fmt: skip
_TRANSIENT = (CredentialRetrievalError, HTTPClientError, MetadataRetrievalError)
_TRANSIENT_CODES = {"IDPCommunicationError", "Throttling", "ThrottlingException"}
_FIRST_SERVER_ERROR = 500
_SIGNED_WITH, _IS_RENEWED = "moderation_signed_with", "moderation_is_renewed"
_NO_ROLE = (
    "give this machine or pod a role (in a container on EC2 the metadata service needs a hop limit "
    "of 2), or set MODERATION_S3_ACCESS_KEY and MODERATION_S3_SECRET_KEY"
)
_SOURCE = "correct the source of the credentials (docs/object_storage.md#roles)"

T = TypeVar("T")

log = structlog.get_logger()


class ChainCredentials(Credentials):
    """What a client signs with; thread-safe."""

    def __init__(self) -> None:
        super().__init__("", "", method="chain")
        self._lock = Lock()
        self._found: Credentials | None = None

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Keys and token of this moment.

        Raises:
            BucketForbidden: there are none, or the role is refused.
            StorageUnavailable: their source does not answer.
        """
        found = self._found
        if found is None:
            with self._lock:
                found = self._found = self._found or find_credentials()
        return _ask(found.get_frozen_credentials)

    def renew(self, refused: str) -> bool:
        """Look again, as the store refuses the access key `refused`; whether there is another now.

        Of several threads that were refused, one looks. Raises as `get_frozen_credentials`.
        """
        with self._lock:
            found = self._found
            if found is None or _ask(found.get_frozen_credentials).access_key == refused:
                found = self._found = find_credentials()
            return _ask(found.get_frozen_credentials).access_key != refused


def find_credentials() -> Credentials:
    """Credentials by boto3's chain, looked for again: nothing that was found before is taken.

    Raises:
        BucketForbidden: there are none, or the role is refused; with the remedy.
        StorageUnavailable: their source does not answer.
    """
    started = time.monotonic()
    found = _ask(lambda: botocore.session.Session().get_credentials())
    if found is not None:
        _ask(found.get_frozen_credentials)  # that of a web identity is asked for now
    seconds = time.monotonic() - started
    tell = log.warning if seconds > SLOW_SECONDS else log.info
    tell("looked for credentials", source=found and found.method, seconds=round(seconds, 1))
    if found is None:
        cause = f"boto3 found no credentials, in {seconds:.1f} s: {_searched()}"
        raise BucketForbidden(cause, remedy=_NO_ROLE)
    return found


def renew_refused(events: BaseEventHooks, credentials: ChainCredentials) -> None:
    """Send a request of this client once more, with new credentials, if it is refused for its own.

    Here and not in a retry of `ObjectStore`, so that it holds for every request of the client.
    """

    def remember(request: AWSRequest, **_: object) -> None:
        request.context[_SIGNED_WITH] = credentials.get_frozen_credentials().access_key

    def decide(
        response: tuple[object, dict[str, Any]] | None,
        request_dict: dict[str, Any],
        **_: object,
    ) -> int | None:
        context: MutableMapping[str, Any] = request_dict["context"]
        code = response[1].get("Error", {}).get("Code", "") if response else ""
        if code not in REFUSED_CODES or context.get(_IS_RENEWED):
            return None
        context[_IS_RENEWED] = True
        is_renewed = credentials.renew(context.get(_SIGNED_WITH, ""))
        log.info("credentials refused", code=code, renewed=is_renewed)
        return 0 if is_renewed else None  # seconds to wait; None: no retry

    events.register("before-sign.s3", remember)
    events.register("needs-retry.s3", decide)  # type: ignore[arg-type]  # the stub knows no answer


def _ask(look: Callable[[], T]) -> T:
    """Ask a source; its errors are not those of the object storage, whose codes are alike."""
    try:
        return look()
    except ClientError as error:
        raise _refused_role(error) from error
    except _TRANSIENT as error:
        raise StorageUnavailable(f"no credentials: {error}", remedy=_SOURCE) from error
    except (BotoCoreError, OSError, ValueError) as error:
        raise BucketForbidden(f"no credentials: {error}", remedy=_SOURCE) from error


def _refused_role(error: ClientError) -> StorageError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    cause = f"no credentials: {error.operation_name} answers {code} (HTTP {status})"
    if code in _TRANSIENT_CODES or status >= _FIRST_SERVER_ERROR:
        return StorageUnavailable(cause)
    role = os.environ.get("AWS_ROLE_ARN", "of the profile")
    remedy = f"let the identity of this machine or pod assume the role {role} (its trust policy)"
    return BucketForbidden(cause, remedy=remedy)


def _searched() -> str:
    """What the chain looked at, for the operator; names of variables, never their values."""
    pod = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")
    container = (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    )
    names = ("AWS_ACCESS_KEY_ID", *pod, *container)
    unset = [name for name in names if not os.environ.get(name)]
    is_off = os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
    metadata = "is switched off (AWS_EC2_METADATA_DISABLED)" if is_off else "names no role"
    return f"{', '.join(unset)} are not set, no profile has keys, the metadata service {metadata}"
