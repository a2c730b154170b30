"""Verdicts into the shop's `moderation_status`, without ever overwriting a person's decision.

A commerce row is written when its status is pending or unset, when what stands there was written
by us, or when its decision is older than the object (a re-upload). All else is a person's or the
shop's own decision and stays. A row that is pending again, of bytes that a person decided on, gets
that decision. An image that could not be judged goes back to pending: whatever an earlier content
under its key was, this one was not seen. What was said of an object is never written once a newer
one is known under its key, whichever night's step runs again.
"""

from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Connection, text

from ml.settings import CommerceNames


@dataclass(frozen=True)
class KeyRange:
    """Object keys after `after` (not included) up to `upto` (included)."""

    after: str
    upto: str


_RANGES = text(
    """
    select object_key from (
        select object_key, row_number() over (order by object_key) as place,
            count(*) over () as images
        from moderation.audit_image where run_id = :run_id
    ) as placed
    where place % :size = 0 or place = images
    order by place
    """
)

# The status that each settled image of the run calls for.
_DUE = """
    select object_key, etag, uploaded_at, judged_at as decided_at,
        case decision
            when 'pass' then :status_pass when 'review' then :status_review
            when 'block' then :status_block else :status_pending
        end as status
    from moderation.audit_result
    where run_id = :run_id and (decision is not null or outcome = 'quarantined')
        and object_key > :after and (object_key <= :upto or :upto = '')
"""

# An older night's step may run again after a newer object came under the same key: what was said of
# the older one is not said of this one.
_NEWER = """
    select from moderation.image newer
    where newer.object_key = {object}.object_key and newer.etag not in ({object}.etag, '')
        and newer.uploaded_at > {object}.uploaded_at
"""

# Our keys sort by bytes (collation "C"). Compared so, the shop's index on its keys would not be
# used: each range would read the whole table.
_OURS_TO_WRITE = f"""
    c.{{object_key}} = due.object_key collate "default"
    and c.{{moderation_status}} is distinct from due.status
    and not exists ({_NEWER.format(object="due")})
    and not exists (
        select from moderation.review_task t
        join moderation.human_label h
            on h.content_sha256 = t.content_sha256 and h.task_id = t.task_id
        where t.object_key = due.object_key and t.etag = due.etag and t.state = 'decided'
    )
    and (
        c.{{moderation_status}} is null or c.{{moderation_status}} = :status_pending
        or c.{{moderated_at}} <= due.uploaded_at
        or exists (
            select from moderation.image w
            where w.object_key = due.object_key and w.written_status = c.{{moderation_status}}
                and w.written_at is not distinct from c.{{moderated_at}}
        )
    )
"""  # noqa: S608 - built from constants; names are filled in by _sql

_WRITE = f"""
    update {{table}} as c
    set {{moderation_status}} = due.status, {{moderated_at}} = due.decided_at
    from ({_DUE}) as due where {_OURS_TO_WRITE}
"""  # noqa: S608 - built from constants; names are filled in by _sql

_REMEMBER = f"""
    update moderation.image as i set written_status = due.status, written_at = due.decided_at
    from ({_DUE}) as due, {{table}} as c
    where i.object_key = due.object_key and i.etag = due.etag
        and c.{{object_key}} = due.object_key collate "default"
        and c.{{moderation_status}} = due.status
        and c.{{moderated_at}} is not distinct from due.decided_at
        and (i.written_status, i.written_at) is distinct from (due.status, due.decided_at)
"""  # noqa: S608 - as above

# The last decision that stands on an object of the run. Its row may be pending again: deleted and
# uploaded anew, the same bytes are the same object.
_SAID = f"""
    select distinct on (ai.object_key) ai.object_key, h.decided_at,
        case r.policy -> 'classes' -> h.label ->> 'violation'
            when 'true' then :status_block when 'false' then :status_pass else :status_review
        end as status
    from moderation.audit_result ai
    join moderation.audit_run r on r.run_id = ai.run_id
    join moderation.review_task t on t.object_key = ai.object_key and t.etag = ai.etag
        and t.kind <> 'golden' and t.state = 'decided'
    join moderation.human_label h on h.content_sha256 = t.content_sha256 and h.task_id = t.task_id
    where ai.run_id = :run_id and ai.object_key > :after and (ai.object_key <= :upto or :upto = '')
        and not exists (select from moderation.decision_undo u where u.label_id = h.label_id)
        and not exists ({_NEWER.format(object="ai")})
    order by ai.object_key, h.label_id desc
"""  # noqa: S608 - built from constants
_PENDING_AGAIN = """
    c.{object_key} = said.object_key collate "default"
    and coalesce(c.{moderation_status}, :status_pending) = :status_pending
"""
_REPEAT = f"""
    update {{table}} as c
    set {{moderation_status}} = said.status, {{moderated_at}} = said.decided_at
    from ({_SAID}) as said where {_PENDING_AGAIN}
"""  # noqa: S608 - as above
_UNREPEATED = f"select count(*) from {{table}} as c, ({_SAID}) as said where {_PENDING_AGAIN}"  # noqa: S608 - as above

_UNWRITTEN = f"select count(*) from {{table}} as c, ({_DUE}) as due where {_OURS_TO_WRITE}"  # noqa: S608 - as above


class WriteBack:
    """What one run has to write to the commerce rows."""

    def __init__(self, run_id: str, names: CommerceNames) -> None:
        self._names = names
        self._values = {
            "run_id": run_id,
            "status_pending": names.status_pending,
            "status_pass": names.status_pass,
            "status_review": names.status_review,
            "status_block": names.status_block,
        }

    def ranges(self, connection: Connection, *, size: int) -> list[KeyRange]:
        """Cut the run's keys into ranges of `size` images, for one transaction each."""
        found = connection.execute(_RANGES, {"run_id": self._values["run_id"], "size": size})
        keys = ["", *found.scalars()]
        return [KeyRange(after, upto) for after, upto in pairwise(keys)]

    def write(self, connection: Connection, keys: KeyRange) -> int:
        """Write one range; returns how many commerce rows changed. Again changes none."""
        values = {**self._values, "after": keys.after, "upto": keys.upto}
        changed = connection.execute(text(self._sql(_WRITE)), values).rowcount
        changed += connection.execute(text(self._sql(_REPEAT)), values).rowcount
        connection.execute(text(self._sql(_REMEMBER)), values)
        return changed

    def unwritten(self, connection: Connection) -> int:
        """Commerce rows of the whole run that do not show its outcome although they should."""
        values = {**self._values, "after": "", "upto": ""}
        queries = [text(self._sql(query)) for query in (_UNWRITTEN, _UNREPEATED)]
        return sum(int(connection.execute(query, values).scalar_one()) for query in queries)

    def _sql(self, template: str) -> str:
        # Safe to format: settings accept plain identifiers only, and they are quoted here.
        names = self._names
        return template.format(
            table=f'"{names.table_schema}"."{names.table}"',
            object_key=f'"{names.object_key}"',
            moderation_status=f'"{names.moderation_status}"',
            moderated_at=f'"{names.moderated_at}"',
        )
