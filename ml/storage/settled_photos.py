"""Settled photos of a nightly run, of which some are drawn for review."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import distinct_on

from ml.storage.audit_runs import AuditRun
from ml.storage.review_tasks import SAMPLED_ROUTES, ReviewedVerdict, in_range
from ml.storage.rows import columns_of, is_found, load_rows
from ml.storage.schema import audit_result, image, review_task, verdict
from ml.storage.write_back import KeyRange

_result = audit_result.c


@dataclass(frozen=True)
class SettledPhoto(ReviewedVerdict):
    """A photo that passed or was blocked, with what its verdict recorded.

    `violating_share` (0..1) and `similarity` (-1..1) are those of the nearest decided photos; None
    where the run did not compare with them. `pdq` is the perceptual hash (hex). `is_sampled`: its
    content was drawn before, by this run or another.
    """

    decision: str
    pass_confidence: float
    violating_share: float | None
    similarity: float | None
    pdq: str | None
    pdq_quality: int | None
    is_sampled: bool


def load_settled(
    connection: Connection, run: AuditRun, keys: KeyRange, decisions: Sequence[str]
) -> list[SettledPhoto]:
    """Photos of the range with one of the decisions, one of each content, by content hash.

    Those on which a reviewer's decision was reused are left out. What was drawn before is not: a
    retry finds the same photos.
    """
    query = (
        sa.select(*_OF_RESULT, *_OF_VERDICT, *_OF_IMAGE, _is_sampled().label("is_sampled"))
        .select_from(
            audit_result.join(_verdict, sa.true()).join(_image, sa.true()),
        )
        .where(in_range(run, keys), _result.decision.in_(decisions), _result.reused_label.is_(None))
        .ext(distinct_on(_result.content_sha256))
        .order_by(_result.content_sha256, _result.object_key)
    )
    return load_rows(connection, query, SettledPhoto)


def _value_of(screen: str) -> sa.ColumnElement[float]:
    return sa.cast(_result.screens[screen]["value"].astext, sa.Float)


# Looked up photo by photo: `offset 0` keeps the planner from joining the tables.
_verdict = (
    sa.select(verdict.c.pass_confidence)
    .where(
        verdict.c.content_sha256 == _result.content_sha256,
        verdict.c.model_hash == _result.model_hash,
        verdict.c.policy_version == _result.policy_version,
    )
    .offset(0)
    .lateral("judged")
)
_image = (
    sa.select(image.c.pdq, image.c.pdq_quality)
    .where(image.c.object_key == _result.object_key, image.c.etag == _result.etag)
    .offset(0)
    .lateral("hashed")
)
_OF_RESULT: tuple[sa.ColumnElement[Any], ...] = (
    *columns_of(audit_result, ReviewedVerdict),
    _result.decision,
    _value_of("similar_decisions").label("violating_share"),
    _value_of("unfamiliar").label("similarity"),
)
_OF_VERDICT, _OF_IMAGE = (_verdict.c.pass_confidence,), (_image.c.pdq, _image.c.pdq_quality)


def _is_sampled() -> sa.ColumnElement[bool]:
    task = review_task.c
    # Not `in`: tasks are looked up by content, not in the indexes of all that were drawn.
    route = sa.func.coalesce(task.route, "")
    return is_found(
        review_task, task.content_sha256 == _result.content_sha256, route.in_(SAMPLED_ROUTES)
    )
