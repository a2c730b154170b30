"""Review tasks as a reviewer sees them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Table, select, text

from ml.policy.policy import Policy
from ml.review.filters import NAMING
from ml.review.unaware import WITHHELD, is_withheld

# Of the verdicts on a content the one that opened the task, else the newest: a doubt about a label
# has a version whose verdict may not be there.
_TASKS = text(
    """
    select t.*, v.scores, coalesce(i.width, p.width) as width,
        coalesce(i.height, p.height) as height
    from unnest(cast(:task_ids as bigint[])) with ordinality as wanted (task_id, place)
    join moderation.review_task t on t.task_id = wanted.task_id
    left join moderation.image i on i.object_key = t.object_key and i.etag = t.etag
    left join moderation.labelled_photo p on p.content_sha256 = t.content_sha256
    left join lateral (
        select scores from moderation.verdict as given
        where given.content_sha256 = t.content_sha256
        order by given.model_hash = t.model_hash and given.policy_version = t.policy_version desc,
            given.judged_at desc
        limit 1
    ) v on true
    order by wanted.place
    """
)


@dataclass(frozen=True)
class ShownTask:
    """One task with its photo, for the reviewer who holds it.

    `likely` is the class that a reason names, else the likeliest violation; `category` the same as
    far as the reviewer may know. Where the model's word is withheld (`ml.review.unaware`),
    `category` and `violation_score` are None, and `reasons` says so. `width` and `height`
    are pixels of the upright original; None where it was never decoded. `product_id` to
    `uploaded_at` are the shop's; None where it has no row of the photo any more.
    """

    task_id: int
    content_sha256: str
    object_key: str
    reasons: tuple[str, ...]
    likely: str | None
    category: str | None
    violation_score: float | None
    model_hash: str
    product_id: str | None
    review_id: str | None
    uploaded_at: datetime | None
    opened_at: datetime
    claimed_until: datetime | None
    width: int | None
    height: int | None


def shown_tasks(
    connection: Connection, task_ids: Sequence[int], *, policy: Policy, commerce: Table
) -> list[ShownTask]:
    """The tasks in the order given; two queries, however many they are."""
    if not task_ids:
        return []
    rows = connection.execute(_TASKS, {"task_ids": list(task_ids)}).mappings().all()
    of_shop = _shop_rows(connection, commerce, {row["object_key"] for row in rows})
    return [
        _shown(row, of_shop.get(row["object_key"]), policy, is_withheld(connection, row, policy))
        for row in rows
    ]


def category_of(
    reasons: Iterable[str], scores: Mapping[str, float] | None, policy: Policy
) -> str | None:
    """The class that a reason names, else the likeliest violation, if there are scores."""
    for reason in reasons:
        word, _, name = reason.partition(":")
        if word in NAMING and name:
            return name
    return likeliest_violation(scores or {}, policy)


def likeliest_violation(scores: Mapping[str, float], policy: Policy) -> str | None:
    """The violation class of the highest score; None without scores."""
    scored = sorted(policy.violations & scores.keys())
    return max(scored, key=scores.__getitem__, default=None)


def _shown(
    row: RowMapping,
    of_shop: RowMapping | None,
    policy: Policy,
    withheld: bool,
) -> ShownTask:
    likely = category_of(row["reasons"], row["scores"], policy)
    as_stored = (
        "task_id", "content_sha256", "object_key", "model_hash", "opened_at", "claimed_until",
        "width", "height",
    )  # fmt: skip
    return ShownTask(
        **{name: row[name] for name in as_stored},
        reasons=(WITHHELD,) if withheld else tuple(row["reasons"]),
        likely=likely,
        category=None if withheld else likely,
        violation_score=None if withheld else row["violation_score"],
        product_id=_text(of_shop, "product_id"),
        review_id=_text(of_shop, "review_id"),
        uploaded_at=of_shop["uploaded_at"] if of_shop else None,
    )


def _shop_rows(connection: Connection, commerce: Table, keys: set[str]) -> dict[str, RowMapping]:
    """The shop's newest row of each key."""
    names = ("object_key", "product_id", "review_id", "uploaded_at")
    # Values and not a join: the two tables' collations differ, and the shop's index is of its own.
    query = select(*(commerce.c[name].label(name) for name in names)).where(
        commerce.c.object_key.in_(sorted(keys))
    )
    rows = connection.execute(query.order_by(commerce.c.uploaded_at)).mappings()
    return {row["object_key"]: row for row in rows}


def _text(of_shop: RowMapping | None, name: str) -> str | None:
    value = of_shop[name] if of_shop else None
    return None if value is None else str(value)  # a shop's numbers may be numbers
