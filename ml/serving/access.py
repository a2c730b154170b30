"""Who calls, and whether they may: bearer keys, compared in constant time."""

import hmac
import secrets
from collections.abc import Iterable

from ml.errors import RequestRefused
from ml.storage.api_keys import ApiKey, Right, hash_secret, parse_token

_UNAUTHORISED, _FORBIDDEN = 401, 403
_NOBODY = secrets.token_bytes(32)  # no secret hashes to it; compared with where an id is unknown


class Keyring:
    """The keys as they were last read."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = {key.key_id: key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def authorise(self, header: str | None, right: Right) -> ApiKey:
        """The key that an `Authorization` header carries.

        Raises:
            RequestRefused: 401 without a known key; 403 for a revoked one or without the right.
        """
        key = self._known(header)
        if key.revoked_at is not None:
            raise RequestRefused(_FORBIDDEN, "key_revoked", "this key is revoked")
        if right not in key.rights:
            raise RequestRefused(_FORBIDDEN, "right_missing", f"this key lacks the right `{right}`")
        return key

    def _known(self, header: str | None) -> ApiKey:
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            detail = "send your key as `Authorization: Bearer ...`"
            raise RequestRefused(_UNAUTHORISED, "key_missing", detail)
        key_id, secret = parse_token(token.strip()) or ("", "")
        key = self._keys.get(key_id)
        stored = key.secret_sha256 if key is not None else _NOBODY
        if not hmac.compare_digest(stored, hash_secret(secret)) or key is None:
            raise RequestRefused(_UNAUTHORISED, "key_unknown", "no such key")
        return key
