from typing import Any

import pytest
from pydantic import ValidationError

from ml.core.s3_settings import S3Settings

KEYS = {"s3_access_key": "hidden-key", "s3_secret_key": "hidden-secret"}
OSS = "https://oss-cn-hangzhou.aliyuncs.com"


def settings(**values: Any) -> S3Settings:  # noqa: ANN401 - as the environment gives them
    return S3Settings.model_validate(values)


@pytest.mark.parametrize(
    ("endpoint", "region", "addressing"),
    [
        (None, None, "virtual"),
        ("https://s3.amazonaws.com", "us-east-1", "virtual"),
        ("https://s3.eu-west-1.amazonaws.com", "eu-west-1", "virtual"),
        ("https://s3.dualstack.us-gov-west-1.amazonaws.com", "us-gov-west-1", "virtual"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1", "virtual"),
        ("https://bucket.vpce-1a-5e.s3.eu-west-3.vpce.amazonaws.com", "eu-west-3", "path"),
        (OSS, "cn-hangzhou", "virtual"),
        ("https://s3.oss-cn-beijing-internal.aliyuncs.com", "cn-beijing", "virtual"),
        ("https://oss-accelerate.aliyuncs.com", "us-east-1", "virtual"),
        ("https://cos.ap-guangzhou.myqcloud.com", "ap-guangzhou", "virtual"),
        ("https://cos-internal.ap-beijing-1.tencentcos.cn", "ap-beijing-1", "virtual"),
        ("https://tos-s3-cn-beijing.volces.com", "cn-beijing", "virtual"),
        ("https://obs.cn-north-4.myhuaweicloud.com", "cn-north-4", "virtual"),
        ("https://s3.us-west-004.backblazeb2.com", "us-west-004", "path"),
        ("https://0a1b.r2.cloudflarestorage.com", "auto", "path"),
        ("https://storage.googleapis.com", "auto", "path"),
        ("http://127.0.0.1:8333", "us-east-1", "path"),
        ("http://[::1]:9000", "us-east-1", "path"),
        ("http://minio:9000", "us-east-1", "path"),
        ("https://s3.shop.example", "us-east-1", "path"),
        ("https://notaliyuncs.com", "us-east-1", "path"),
    ],
)
def test_region_and_addressing_follow_from_the_endpoint(
    endpoint: str | None, region: str | None, addressing: str
) -> None:
    found = settings(s3_endpoint_url=endpoint)
    assert (found.signing_region, found.bucket_addressing) == (region, addressing)


def test_given_region_and_addressing_win() -> None:
    found = settings(s3_endpoint_url=OSS, s3_region="oss-cn-hangzhou", s3_addressing="path")
    assert (found.signing_region, found.bucket_addressing) == ("oss-cn-hangzhou", "path")


@pytest.mark.parametrize(
    ("values", "is_static"),
    [
        ({}, False),
        (KEYS, True),
        (KEYS | {"s3_credentials": "static"}, True),
        ({"s3_credentials": "chain"}, False),
        ({"s3_access_key": "", "s3_secret_key": "", "s3_credentials": ""}, False),
    ],
)
def test_credentials_are_static_where_keys_are_set(values: dict[str, str], is_static: bool) -> None:
    assert settings(**values).has_static_credentials == is_static


@pytest.mark.parametrize(
    ("values", "remedy"),
    [
        ({"s3_access_key": "hidden-key"}, "set both MODERATION_S3_ACCESS_KEY"),
        (KEYS | {"s3_credentials": "chain"}, "unset MODERATION_S3_ACCESS_KEY .*, or set static"),
        ({"s3_credentials": "static"}, "static needs .* for a role or a profile set chain"),
        ({"s3_session_token": "hidden-token"}, "belongs to temporary keys"),
        ({"s3_session_token": "hidden-token", "s3_credentials": "chain"}, "temporary keys"),
        ({"s3_sse_key_id": "alias/shop"}, "set MODERATION_S3_SSE=aws:kms"),
        ({"s3_sse": "AES256", "s3_sse_key_id": "alias/shop"}, "set MODERATION_S3_SSE=aws:kms"),
        ({"s3_endpoint_url": OSS, "s3_sse": "aws:kms", "s3_signature": "v2"}, "SIGNATURE=v4"),
        ({"s3_signature": "v2"}, "AWS accepts no MODERATION_S3_SIGNATURE=v2"),
        (
            {"s3_signature": "v2", "s3_endpoint_url": "https://s3.eu-west-1.amazonaws.com"},
            "AWS accepts no MODERATION_S3_SIGNATURE=v2",
        ),
        ({"s3_addressing": "virtual", "s3_endpoint_url": "http://10.0.0.5:9000"}, "set path"),
        (
            {"s3_endpoint_url": "https://review-photos.oss-cn-hangzhou.aliyuncs.com"},
            "begins with the bucket review-photos: leave it out",
        ),
        ({"s3_endpoint_url": "nonsense"}, "must be an http or https URL"),
        ({"s3_endpoint_url": "s3://bucket"}, "must be an http or https URL"),
        ({"s3_endpoint_url": "https://hidden-key:hidden-secret@s3.example"}, "no user"),
        ({"s3_addressing": "dns"}, "'auto', 'virtual' or 'path'"),
        ({"s3_sse": "kms"}, "'none', 'AES256' or 'aws:kms'"),
    ],
)
def test_what_cannot_work_together_is_rejected_with_the_remedy(
    values: dict[str, str], remedy: str
) -> None:
    with pytest.raises(ValidationError, match=remedy) as caught:
        settings(**values)
    assert not any("hidden" in str(e["msg"]) for e in caught.value.errors())


def test_host_that_begins_like_the_bucket_is_accepted_where_the_store_is_unknown() -> None:
    assert settings(s3_endpoint_url="https://moderation.shop.example").bucket_addressing == "path"


@pytest.mark.parametrize(
    ("template", "fixed"),
    [
        ("reviews/", "reviews/"),
        ("reviews/%Y/%m/%d/", "reviews/"),
        ("%Y/", ""),
        ("100%%/%Y/", "100%/"),
    ],
)
def test_fixed_prefix_ends_before_the_first_code(template: str, fixed: str) -> None:
    assert settings(photo_prefix=template).fixed_photo_prefix == fixed
