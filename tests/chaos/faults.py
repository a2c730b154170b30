"""The faults of a bucket, and what is right under each.

`Scope` says what a fault hits, and hence what must hold at the end:

| scope | hits | at the end |
|---|---|---|
| passing | some requests, a few times each | as in the unbroken run |
| bucket | every request of a first attempt | the step failed with the named error; then as above |
| photos | some photos, always | those are in quarantine, the others as in the unbroken run |
| harmless | every request | as in the unbroken run, and no step failed |
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos import faulty_bucket as answers
from tests.chaos.child import READ_TIMEOUT_SECONDS
from tests.chaos.faulty_bucket import Change, Request
from tests.support.photos import BRIGHT, photo


class Scope(StrEnum):
    """What a fault hits; see above."""

    PASSING = "passing"
    BUCKET = "bucket"
    PHOTOS = "photos"
    HARMLESS = "harmless"


UNAVAILABLE = frozenset({"StorageUnavailable", "ShardIncomplete"})
FORBIDDEN = frozenset({"StorageForbidden"})
# Reasons that a later run retries: a fault of the bucket is never final.
RETRIED = frozenset(
    {"unreachable", "object_changed", "forbidden", "object_absent", "object_archived"}
)


@dataclass(frozen=True)
class Fault:
    """A fault; `errors` are the classes that a step may raise, `says` what their messages contain.

    `reasons` and `detail` are those of the quarantine rows of the photos that it hits. `in_a_row`:
    the photos that it hits stand next to each other. `share` of the paths, of a passing fault.
    """

    name: str
    scope: Scope
    change: Change
    hits: Callable[[Request], bool]
    errors: frozenset[str] = UNAVAILABLE
    says: str = ""
    reasons: frozenset[str] = RETRIED
    detail: str = ""
    in_a_row: bool = False
    share: float = 0.3

    def reports(self, message: str) -> bool:
        """Whether a message says what is wrong."""
        return re.search(self.says, message, re.IGNORECASE) is not None


def _any(_: Request) -> bool:
    return True


def _photo(request: Request) -> bool:
    return request.reads_object and "photos" in request.bucket


def _listing(request: Request) -> bool:
    return request.is_listing


_ANOTHER = photo(BRIGHT, seed=987_654)
_CLOCK = "clock"


def _passing(
    name: str,
    change: Change,
    hits: Callable[[Request], bool] = _any,
    *,
    errors: frozenset[str] = UNAVAILABLE,
    share: float = 0.3,
) -> Fault:
    return Fault(name, Scope.PASSING, change, hits, errors, share=share)


def _bucket(
    name: str,
    change: Change,
    *,
    errors: frozenset[str],
    says: str,
    hits: Callable[[Request], bool] = _any,
) -> Fault:
    return Fault(name, Scope.BUCKET, change, hits, errors, says)


def _photos(name: str, change: Change, *, reasons: frozenset[str], detail: str = "") -> Fault:
    return Fault(
        name, Scope.PHOTOS, change, _photo, reasons=reasons, detail=detail,
        in_a_row=name.endswith("in a row"),
    )  # fmt: skip


_PASSING = (
    _passing("503", answers.xml_error(503, "ServiceUnavailable")),
    _passing("503 SlowDown", answers.xml_error(503, "SlowDown")),
    _passing("500", answers.xml_error(500, "InternalError")),
    _passing("429", answers.xml_error(429, "TooManyRequests")),
    _passing("400 RequestTimeout", answers.xml_error(400, "RequestTimeout")),
    _passing(
        "403 clock, now and then",
        answers.xml_error(403, "RequestTimeTooSkewed"),
        _photo,
        errors=UNAVAILABLE | {"ClockSkewed"},
    ),
    _passing("cut bodies", answers.cut_body),
    _passing("late answers", answers.hang(1.5 * READ_TIMEOUT_SECONDS), _photo, share=0.03),
    _passing("short bodies", answers.short_body, _photo),
    _passing("empty bodies", answers.empty_body, _photo),
    _passing("another photo's bytes", answers.other_bytes(_ANOTHER), _photo),
    _passing("HTML", answers.html_page),
    _passing("no ETag", answers.without_etag, _photo),
    _passing("no IsTruncated", answers.without_element("IsTruncated"), _listing),
    _passing("no Size", answers.without_element("Size"), _listing),
)
_BUCKET = (
    _bucket("all 503", answers.xml_error(503, "SlowDown"), errors=UNAVAILABLE, says="SlowDown"),
    _bucket(
        "all 403 AccessDenied", answers.xml_error(403, "AccessDenied"), errors=FORBIDDEN,
        says="rights",
    ),
    _bucket(
        "all 403 InvalidAccessKeyId", answers.xml_error(403, "InvalidAccessKeyId"),
        errors=FORBIDDEN, says="access key",
    ),
    _bucket(
        "all 403 SignatureDoesNotMatch", answers.xml_error(403, "SignatureDoesNotMatch"),
        errors=FORBIDDEN, says="secret",
    ),
    _bucket(
        "all 400 ExpiredToken", answers.xml_error(400, "ExpiredToken"), errors=FORBIDDEN,
        says="token|credentials",
    ),
    _bucket(
        "all 403 clock", answers.xml_error(403, "RequestTimeTooSkewed"),
        errors=FORBIDDEN | UNAVAILABLE, says=_CLOCK,
    ),
    _bucket(
        "all 404 NoSuchBucket", answers.xml_error(404, "NoSuchBucket"),
        errors=UNAVAILABLE | FORBIDDEN | {"StorageError", "ObjectNotFound"},
        says="bucket",
    ),
    _bucket("all HTML", answers.html_page, errors=UNAVAILABLE, says="s3://"),
    _bucket(
        "all short", answers.short_body, errors=UNAVAILABLE, says="bytes|bucket|not fetched",
        hits=_photo,
    ),
    _bucket(
        "all empty", answers.empty_body, errors=UNAVAILABLE, says="bytes|bucket|not fetched",
        hits=_photo,
    ),
    _bucket(
        "all another photo's bytes", answers.other_bytes(_ANOTHER), errors=UNAVAILABLE,
        says="bytes|bucket|not fetched", hits=_photo,
    ),
)  # fmt: skip
_PHOTOS = (
    _photos(
        "some 403 AccessDenied", answers.xml_error(403, "AccessDenied"),
        reasons=frozenset({"forbidden"}),
    ),
    _photos(
        "archived, in a row", answers.xml_error(403, "InvalidObjectState"),
        reasons=frozenset({"forbidden", "object_archived"}), detail="restore",
    ),
    _photos("some short", answers.short_body, reasons=frozenset({"unreachable"})),
    _photos(
        "some another photo's bytes", answers.other_bytes(_ANOTHER),
        reasons=frozenset({"unreachable"}),
    ),
    _photos(
        "some 404", answers.xml_error(404, "NoSuchKey"), reasons=frozenset({"object_absent"})
    ),
    _photos(
        "some 412", answers.xml_error(412, "PreconditionFailed"),
        reasons=frozenset({"object_changed"}),
    ),
)  # fmt: skip
_HARMLESS = (
    Fault("weak ETag", Scope.HARMLESS, answers.weak_etag, _any),
    Fault("keys twice in a page", Scope.HARMLESS, answers.duplicated_keys, _listing),
)
FAULTS = (*_PASSING, *_BUCKET, *_PHOTOS, *_HARMLESS)
