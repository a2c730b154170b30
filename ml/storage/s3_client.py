"""The S3 client by the settings: credentials, addressing, signature, encryption.

What botocore reads of the environment beyond that is its own: `HTTPS_PROXY` and `NO_PROXY`,
`AWS_CA_BUNDLE` and `REQUESTS_CA_BUNDLE`, and for the chain all of its sources.
"""

import os
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from pydantic import SecretStr

from ml.core.errors import SettingsError
from ml.core.s3_settings import DEFAULT_REGION, S3Settings
from ml.storage.s3_credentials import ChainCredentials, renew_refused

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
_SIGNATURES = {"v4": "s3v4", "v2": "s3"}
_WRITES = ("PutObject", "CopyObject", "CreateMultipartUpload")


def s3_client(settings: S3Settings) -> "S3Client":
    """A thread-safe client without retries of its own: `ObjectStore` retries whole operations.

    Credentials of the chain are looked for at the first request and renewed as they expire.

    Raises:
        ValueError: botocore's, of an address that is none.
        SettingsError: boto3's own configuration, of which AWS_PROFILE is a part, is wrong.
    """
    try:
        return _with_encryption(_open_client(settings), settings)
    except BotoCoreError as error:
        message = f"boto3's configuration: {error}; correct AWS_PROFILE or ~/.aws/config"
        raise SettingsError(message) from error


def _open_client(settings: S3Settings) -> "S3Client":
    chain = None if settings.has_static_credentials else ChainCredentials()
    client: S3Client = _session(chain).client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        aws_access_key_id=_plain(settings.s3_access_key),
        aws_secret_access_key=_plain(settings.s3_secret_key),
        aws_session_token=_plain(settings.s3_session_token),
        region_name=settings.signing_region or _region_of_environment() or DEFAULT_REGION,
        config=_config(settings),
    )
    client.meta.events.register("before-call.s3.HeadBucket", _follow_no_redirect)
    if chain is not None:
        renew_refused(client.meta.events, chain)
    return client


def _session(chain: ChainCredentials | None) -> Any:  # noqa: ANN401 - boto3 or a session of it
    """The shared session, which is quicker, or one that signs with the chain's credentials."""
    if chain is None:
        return boto3
    session = botocore.session.Session()
    session.register_component("credential_provider", _Provider(chain))
    return boto3.session.Session(botocore_session=session)


class _Provider:
    """Stands in for botocore's search, which would run now and once."""

    def __init__(self, chain: ChainCredentials) -> None:
        self._chain = chain

    def load_credentials(self) -> ChainCredentials:
        """What botocore calls as it opens a client."""
        return self._chain


def _with_encryption(client: "S3Client", settings: S3Settings) -> "S3Client":
    if settings.s3_sse != "none":
        encryption = _encryption(settings)
        for write in _WRITES:
            client.meta.events.register(
                f"before-parameter-build.s3.{write}",
                lambda params, **_: params.update(encryption),
            )
    return client


def ca_bundle() -> str | None:
    """The file of certificate authorities that botocore trusts in place of its own, if any."""
    configured = botocore.session.Session().get_config_variable("ca_bundle")
    return configured or os.environ.get("REQUESTS_CA_BUNDLE")


def _config(settings: S3Settings) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"total_max_attempts": 1},
        max_pool_connections=64,
        signature_version=_SIGNATURES[settings.s3_signature],
        s3={"addressing_style": settings.bucket_addressing},
        # Since 1.36 boto3 adds checksums in a trailer of an aws-chunked body, which servers other
        # than AWS reject: OSS answers 400 to STREAMING-UNSIGNED-PAYLOAD-TRAILER.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _encryption(settings: S3Settings) -> dict[str, str]:
    encryption: dict[str, str] = {"ServerSideEncryption": settings.s3_sse}
    if settings.s3_sse_key_id is not None:
        encryption["SSEKMSKeyId"] = settings.s3_sse_key_id
    return encryption


def _region_of_environment() -> str | None:
    """The region of boto3's own configuration: AWS_DEFAULT_REGION or the profile's."""
    region: str | None = botocore.session.Session().get_config_variable("region")
    return region


def _follow_no_redirect(context: dict[str, Any], **_: object) -> None:
    """Botocore follows a redirect by HEAD of the bucket, and a redirect of that without end."""
    context["s3_redirect"]["redirected"] = True


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
