from datetime import UTC, datetime

import pytest

from ml.errors import RequestRefused
from ml.serving.access import Keyring
from ml.storage.api_keys import ApiKey, Right, hash_secret, parse_token

SECRET = "s" * 43
TOKEN = f"mod_{'0' * 12}_{SECRET}"


def keyring(*rights: Right, revoked: bool = False) -> Keyring:
    now = datetime.now(UTC)
    key = ApiKey(
        "0" * 12, "shop", hash_secret(SECRET), frozenset(rights), None, None, now,
        now if revoked else None,
    )  # fmt: skip
    return Keyring([key])


def refusal(ring: Keyring, header: str | None, right: Right = Right.PREDICT) -> tuple[int, str]:
    with pytest.raises(RequestRefused) as refused:
        ring.authorise(header, right)
    return refused.value.status, refused.value.reason


def test_a_known_key_with_the_right_comes_in() -> None:
    ring = keyring(Right.PREDICT)
    assert ring.authorise(f"Bearer {TOKEN}", Right.PREDICT).name == "shop"
    assert ring.authorise(f"bearer  {TOKEN} ", Right.PREDICT).name == "shop"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", TOKEN])
def test_without_a_key_401(header: str | None) -> None:
    assert refusal(keyring(Right.PREDICT), header) == (401, "key_missing")


@pytest.mark.parametrize(
    "token", [TOKEN[:-1] + "t", TOKEN + "s", "mod_" + "1" * 12 + "_" + SECRET, "mod__", "ü" * 60]
)
def test_with_another_key_401(token: str) -> None:
    assert refusal(keyring(Right.PREDICT), f"Bearer {token}") == (401, "key_unknown")


def test_a_revoked_key_403() -> None:
    ring = keyring(Right.PREDICT, revoked=True)
    assert refusal(ring, f"Bearer {TOKEN}") == (403, "key_revoked")


def test_without_the_right_403() -> None:
    ring = keyring(Right.METRICS)
    assert refusal(ring, f"Bearer {TOKEN}") == (403, "right_missing")
    assert ring.authorise(f"Bearer {TOKEN}", Right.METRICS)


def test_a_refusal_never_repeats_the_key() -> None:
    with pytest.raises(RequestRefused) as refused:
        keyring(Right.PREDICT).authorise(f"Bearer {TOKEN}x", Right.PREDICT)
    assert SECRET not in str(refused.value)


def test_a_token_is_taken_apart_only_if_it_is_one() -> None:
    assert parse_token(TOKEN) == ("0" * 12, SECRET)
    assert parse_token("mod_1_2") is None
