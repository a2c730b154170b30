"""The verdicts of a nightly run, for a replay."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from ml.core.computation import Computation
from ml.core.types import PendingImage, ScreenResult, screen_result_from_json
from ml.storage.schema import TEXTS

PAGE = 1000  # verdicts a query


@dataclass(frozen=True)
class RecordedComputation:
    """How verdicts were computed; None: an older release, which did not record it."""

    computation: Computation | None
    batch_size: int | None


@dataclass(frozen=True)
class RecordedVerdict:
    """One photo's verdict by the run's model and policy.

    `runtime_versions` and `device` are those of the run that made the verdict: an earlier one, if
    it had scored the photo before. `archived` is whether the photo archive holds its bytes.
    """

    image: PendingImage
    content_sha256: str
    decision: str
    reasons: tuple[str, ...]
    scores: dict[str, float]
    pass_confidence: float
    runtime_versions: dict[str, str]
    device: str | None
    archived: bool
    screens: dict[str, ScreenResult]


_PAGE = text(
    """
    select ar.object_key, ar.etag, i.size_bytes, ar.content_sha256, v.decision, v.reasons, v.scores,
        v.pass_confidence, v.runtime_versions, v.screens, scored_by.device,
        photo.content_sha256 is not null and photo.deleted_at is null as archived
    from moderation.audit_result ar
    join moderation.image i on i.object_key = ar.object_key and i.etag = ar.etag
    join moderation.verdict v on v.content_sha256 = ar.content_sha256
        and v.model_hash = ar.model_hash and v.policy_version = ar.policy_version
    left join moderation.audit_run scored_by on scored_by.run_id = v.run_id
    left join moderation.archived_photo photo on photo.content_sha256 = ar.content_sha256
    where ar.run_id = :run_id and ar.decision is not null and ar.object_key > :after
        and v.runtime_versions ->> 'backend' is not distinct from :backend
        and v.runtime_versions ->> 'number_type' is not distinct from :number_type
        and v.runtime_versions ->> 'variant' is not distinct from :variant
        and (v.runtime_versions ->> 'batch_size')::int is not distinct from :batch_size
    order by ar.object_key limit :page
    """
).columns(reasons=TEXTS)


_COMPUTATIONS = text(
    """
    select distinct v.runtime_versions ->> 'backend' as backend,
        v.runtime_versions ->> 'number_type' as number_type,
        v.runtime_versions ->> 'variant' as variant,
        (v.runtime_versions ->> 'batch_size')::int as batch_size
    from moderation.audit_result ar
    join moderation.verdict v on v.content_sha256 = ar.content_sha256
        and v.model_hash = ar.model_hash and v.policy_version = ar.policy_version
    where ar.run_id = :run_id and ar.decision is not null
    order by 1, 2, 3, 4
    """
)


def recorded_computations(connection: Connection, run_id: str) -> list[RecordedComputation]:
    """How the verdicts of a run were computed.

    More than one where an earlier run, which computed in another way, had judged some contents.
    """
    rows = connection.execute(_COMPUTATIONS, {"run_id": run_id}).mappings()
    return [RecordedComputation(Computation.from_names({**row}), row["batch_size"]) for row in rows]


def load_recorded_verdicts(
    connection: Connection, run_id: str, *, computed: RecordedComputation, after: str
) -> list[RecordedVerdict]:
    """The next PAGE verdicts of a run that were computed so, in key order, after `after`."""
    values = {"batch_size": computed.batch_size, "run_id": run_id, "after": after, "page": PAGE}
    values |= dict.fromkeys(("backend", "number_type", "variant"))
    values |= computed.computation.names if computed.computation else {}
    rows = connection.execute(_PAGE, values).mappings()
    return [_recorded_verdict({**row}) for row in rows]


def _recorded_verdict(row: dict[str, Any]) -> RecordedVerdict:
    image = PendingImage(row.pop("object_key"), row.pop("etag"), row.pop("size_bytes"))
    screens = {
        name: screen_result_from_json(name, stored) for name, stored in row.pop("screens").items()
    }
    return RecordedVerdict(image=image, screens=screens, **row)
