"""Authentication and authorization of callers by bearer keys, compared in constant time."""

import hmac
import secrets
from collections.abc import Iterable

from ml.core.errors import RequestRejected
from ml.storage.api_keys import ApiKey, ApiKeyScope, hash_secret, parse_token

# Compared if the id is unknown, so that the time does not reveal that; no secret hashes to it.
_UNKNOWN_CALLER = secrets.token_bytes(32)


class ApiKeyCache:
    """The API keys at the last poll."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = {key.key_id: key for key in keys}

    def authorize(self, header: str | None, right: ApiKeyScope) -> ApiKey:
        """Return the key of an `Authorization` header.

        Raises:
            RequestRejected: 401 without a known key; 403 if it is revoked or lacks the right.
        """
        key = self._authenticate(header)
        if key.revoked_at is not None:
            raise RequestRejected(403, "key_revoked", "this key is revoked")
        if right not in key.rights:
            raise RequestRejected(403, "right_missing", f"this key lacks the right `{right}`")
        return key

    def _authenticate(self, header: str | None) -> ApiKey:
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            detail = "send your key as `Authorization: Bearer ...`"
            raise RequestRejected(401, "key_missing", detail)
        key_id, secret = parse_token(token.strip()) or ("", "")
        key = self._keys.get(key_id)
        stored = key.secret_sha256 if key is not None else _UNKNOWN_CALLER
        if not hmac.compare_digest(stored, hash_secret(secret)) or key is None:
            raise RequestRejected(401, "key_unknown", "no such key")
        return key
