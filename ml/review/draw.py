"""A number drawn by a keyed hash: the same things draw the same number, whenever they are asked.

The key is the database's own (`moderation.audit_key`): who knows a photo and this code still cannot
tell what was drawn.
"""

import hashlib

from sqlalchemy import Connection, select

from ml.storage.schema import audit_key

_BYTES = 8


def draw(connection: Connection, *parts: object) -> float:
    """A number from 0 (included) to 1 (not included); the first part says what it is for."""
    key: bytes = connection.execute(select(audit_key.c.key)).scalar() or b""
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=_BYTES, key=key).digest()
    return float(int.from_bytes(digest) / 256**_BYTES)
