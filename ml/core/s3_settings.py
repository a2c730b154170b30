"""Settings of the object storage, and what follows from its address: region and addressing."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

DEFAULT_REGION = "us-east-1"  # what servers that have no regions expect in a signature
_WITHIN_THE_HOUR = timedelta(minutes=59, seconds=59, microseconds=999_999)

Addressing = Literal["virtual", "path"]


@dataclass(frozen=True)
class _Store:
    """A public object store: its domain, and where its host names hold the region."""

    domain: str
    region: str  # a pattern with one group, or the region itself
    addressing: Addressing


_REGION = r"([a-z]{2}-[a-z0-9-]*[a-z0-9])"
_AWS = rf"(?:^|\.)s3(?:-fips)?(?:\.dualstack)?[.-]{_REGION}\.(?:vpce\.)?amazonaws\."
_COS = rf"(?:^|\.)cos(?:-internal)?\.{_REGION}\."
_TOS = rf"(?:^|\.)tos-s3-{_REGION}\."
# The first whose domain ends the host. Path style is refused by Aliyun OSS and Volcengine TOS, by
# Huawei OBS, and by Tencent COS for buckets made since 2024. Google, R2 and B2 accept both.
_STORES = (
    # The certificate of a VPC endpoint does not cover a bucket's name in front of it.
    _Store("vpce.amazonaws.com", _AWS, "path"),
    _Store("amazonaws.com", _AWS, "virtual"),
    _Store("amazonaws.com.cn", _AWS, "virtual"),
    _Store("aliyuncs.com", rf"(?:^|\.)oss-{_REGION}\.", "virtual"),
    _Store("myqcloud.com", _COS, "virtual"),
    _Store("tencentcos.cn", _COS, "virtual"),
    _Store("volces.com", _TOS, "virtual"),
    _Store("ivolces.com", _TOS, "virtual"),
    _Store("myhuaweicloud.com", rf"(?:^|\.)obs\.{_REGION}\.", "virtual"),
    _Store("myhuaweicloud.eu", rf"(?:^|\.)obs\.{_REGION}\.", "virtual"),
    _Store("backblazeb2.com", rf"(?:^|\.)s3\.{_REGION}\.", "path"),
    _Store("r2.cloudflarestorage.com", "auto", "path"),
    _Store("storage.googleapis.com", "auto", "path"),
)


class S3Settings(BaseModel):
    """How the object storage is reached. Part of `Settings`; on its own, of other servers."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    s3_endpoint_url: str | None = None  # None: AWS
    # chain: boto3's own search (role, web identity, profile, environment). None: static where
    # keys are set, else chain.
    s3_credentials: Literal["static", "chain"] | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_session_token: SecretStr | None = None
    s3_region: str | None = Field(None, min_length=1)  # None: `signing_region`
    s3_addressing: Literal["auto", "virtual", "path"] = "auto"
    s3_signature: Literal["v4", "v2"] = "v4"
    # Encryption of what is written; none: as the bucket's own default has it.
    s3_sse: Literal["none", "AES256", "aws:kms"] = "none"
    s3_sse_key_id: str | None = Field(None, min_length=1)
    photo_bucket: str = Field("review-photos", min_length=3)
    # With strftime codes (reviews/%Y/%m/%d/) only the days of window and lookback are listed.
    photo_prefix: str = "reviews/"
    model_bucket: str = Field("moderation", min_length=3)

    @property
    def has_static_credentials(self) -> bool:
        """Whether requests are signed with the keys of the settings, not with boto3's chain."""
        return self.s3_credentials == "static" or (
            self.s3_credentials is None and self.s3_access_key is not None
        )

    @property
    def bucket_addressing(self) -> Addressing:
        """Where requests name the bucket: in the host (`virtual`) or in the path."""
        if self.s3_addressing != "auto":
            return self.s3_addressing
        if self.s3_endpoint_url is None:
            return "virtual"
        store = _find_store(_host(self.s3_endpoint_url))
        return store.addressing if store else "path"

    @property
    def signing_region(self) -> str | None:
        """The region that is set, else that of the endpoint; None: AWS, and boto3 finds it."""
        if self.s3_region is not None or self.s3_endpoint_url is None:
            return self.s3_region
        return _region_of(_host(self.s3_endpoint_url)) or DEFAULT_REGION

    @property
    def fixed_photo_prefix(self) -> str:
        """The photo prefix up to its first strftime code: what every listing begins with."""
        fixed = re.match(r"(?:[^%]|%%)*", self.photo_prefix)
        return fixed[0].replace("%%", "%") if fixed else ""

    @field_validator(
        "s3_endpoint_url", "s3_credentials", "s3_access_key", "s3_secret_key", "s3_session_token",
        "s3_region", "s3_sse_key_id", mode="before",
    )  # fmt: skip
    @classmethod
    def _take_empty_as_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("photo_prefix")
    @classmethod
    def _check_prefix(cls, template: str) -> str:
        hour = datetime(2026, 1, 1)  # noqa: DTZ001 - of any zone
        texts = (hour.strftime(template), (hour + _WITHIN_THE_HOUR).strftime(template))
        if texts[0] != texts[1]:
            raise ValueError("may not name minutes or seconds: it is filled in once an hour")
        return template

    @field_validator("s3_endpoint_url")
    @classmethod
    def _check_endpoint(cls, url: str | None) -> str | None:
        address = urlsplit(url) if url is not None else None
        if address is not None and not _is_endpoint(address):
            raise ValueError("must be an http or https URL of a server: no user, no query")
        return url

    @model_validator(mode="after")
    def _check_s3(self) -> "S3Settings":
        problem = (
            _credentials_problem(self)
            or _encryption_problem(self)
            or _signature_problem(self)
            or _address_problem(self)
        )
        if problem:
            raise ValueError(problem)
        return self


def _credentials_problem(settings: S3Settings) -> str | None:
    has_key, has_secret = bool(settings.s3_access_key), bool(settings.s3_secret_key)
    if has_key != has_secret:
        return "set both MODERATION_S3_ACCESS_KEY and MODERATION_S3_SECRET_KEY, or neither"
    if settings.s3_credentials == "chain" and has_key:
        return (
            "MODERATION_S3_CREDENTIALS=chain uses no keys of these settings: unset "
            "MODERATION_S3_ACCESS_KEY and MODERATION_S3_SECRET_KEY, or set static"
        )
    if settings.s3_credentials == "static" and not has_key:
        return (
            "MODERATION_S3_CREDENTIALS=static needs MODERATION_S3_ACCESS_KEY and "
            "MODERATION_S3_SECRET_KEY; for a role or a profile set chain"
        )
    if settings.s3_session_token and not has_key:
        return (
            "MODERATION_S3_SESSION_TOKEN belongs to temporary keys: set MODERATION_S3_ACCESS_KEY "
            "and MODERATION_S3_SECRET_KEY too, or unset it"
        )
    return None


def _encryption_problem(settings: S3Settings) -> str | None:
    if settings.s3_sse_key_id and settings.s3_sse != "aws:kms":
        return (
            "MODERATION_S3_SSE_KEY_ID names a KMS key: set MODERATION_S3_SSE=aws:kms, or unset it"
        )
    if settings.s3_sse == "aws:kms" and settings.s3_signature == "v2":
        return "MODERATION_S3_SSE=aws:kms needs MODERATION_S3_SIGNATURE=v4"
    return None


def _signature_problem(settings: S3Settings) -> str | None:
    if settings.s3_signature == "v2" and _is_aws(settings.s3_endpoint_url):
        return "AWS accepts no MODERATION_S3_SIGNATURE=v2: unset it"
    return None


def _address_problem(settings: S3Settings) -> str | None:
    if settings.s3_endpoint_url is None:
        return None
    host = _host(settings.s3_endpoint_url)
    if settings.s3_addressing == "virtual" and _is_ip(host):
        return (
            "MODERATION_S3_ADDRESSING=virtual puts the bucket before the host, which an IP address "
            "cannot have: set path, or name the server in MODERATION_S3_ENDPOINT_URL"
        )
    for bucket in (settings.photo_bucket, settings.model_bucket):
        if _find_store(host) and host.startswith(f"{bucket}."):
            return (
                f"MODERATION_S3_ENDPOINT_URL begins with the bucket {bucket}: leave it out, it is "
                "added to each request"
            )
    return None


def _is_endpoint(address: SplitResult) -> bool:
    is_server = address.scheme in {"http", "https"} and bool(address.hostname)
    return is_server and not (address.username or address.password or address.query)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _find_store(host: str) -> _Store | None:
    return next((s for s in _STORES if f".{host}".endswith(f".{s.domain}")), None)


def _region_of(host: str) -> str | None:
    store = _find_store(host)
    if store is None:
        return None
    if "(" not in store.region:
        return store.region
    found = re.search(store.region, host)
    return found[1].removesuffix("-internal") if found else None


def _is_aws(url: str | None) -> bool:
    store = _find_store(_host(url)) if url is not None else None
    return url is None or (store is not None and "amazonaws" in store.domain)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
