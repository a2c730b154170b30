from datetime import UTC, datetime

import pytest

from ml.core.errors import RequestRejected
from ml.moderation.serving.auth import ApiKeyCache
from ml.storage.api_keys import ApiKey, ApiKeyScope, hash_secret, parse_token

SECRET = "s" * 43
TOKEN = f"mod_{'0' * 12}_{SECRET}"


def key_cache(*rights: ApiKeyScope, revoked: bool = False) -> ApiKeyCache:
    now = datetime.now(UTC)
    key = ApiKey(
        "0" * 12, "shop", hash_secret(SECRET), frozenset(rights), None, None, now,
        now if revoked else None,
    )  # fmt: skip
    return ApiKeyCache([key])


def refusal(
    keys: ApiKeyCache, header: str | None, right: ApiKeyScope = ApiKeyScope.PREDICT
) -> tuple[int, str]:
    with pytest.raises(RequestRejected) as refused:
        keys.authorize(header, right)
    return refused.value.status, refused.value.reason


def test_authorize_accepts_a_known_key_with_the_right() -> None:
    keys = key_cache(ApiKeyScope.PREDICT)
    assert keys.authorize(f"Bearer {TOKEN}", ApiKeyScope.PREDICT).name == "shop"
    assert keys.authorize(f"bearer  {TOKEN} ", ApiKeyScope.PREDICT).name == "shop"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", TOKEN])
def test_authorize_without_a_key_is_401(header: str | None) -> None:
    assert refusal(key_cache(ApiKeyScope.PREDICT), header) == (401, "key_missing")


@pytest.mark.parametrize(
    "token", [TOKEN[:-1] + "t", TOKEN + "s", "mod_" + "1" * 12 + "_" + SECRET, "mod__", "ü" * 60]
)
def test_authorize_with_an_unknown_key_is_401(token: str) -> None:
    assert refusal(key_cache(ApiKeyScope.PREDICT), f"Bearer {token}") == (401, "key_unknown")


def test_authorize_with_a_revoked_key_is_403() -> None:
    keys = key_cache(ApiKeyScope.PREDICT, revoked=True)
    assert refusal(keys, f"Bearer {TOKEN}") == (403, "key_revoked")


def test_authorize_without_the_right_is_403() -> None:
    keys = key_cache(ApiKeyScope.METRICS)
    assert refusal(keys, f"Bearer {TOKEN}") == (403, "right_missing")
    assert keys.authorize(f"Bearer {TOKEN}", ApiKeyScope.METRICS)


def test_authorize_error_does_not_contain_the_key() -> None:
    with pytest.raises(RequestRejected) as refused:
        key_cache(ApiKeyScope.PREDICT).authorize(f"Bearer {TOKEN}x", ApiKeyScope.PREDICT)
    assert SECRET not in str(refused.value)


def test_parse_token_rejects_other_text() -> None:
    assert parse_token(TOKEN) == ("0" * 12, SECRET)
    assert parse_token("mod_1_2") is None
