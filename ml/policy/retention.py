"""How long rows and files are kept: section `retention` of the policy; no verdict depends on it."""

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from ml.settings import MOST_LOOKBACK_DAYS

MOST_DAYS = 36_500

_NIGHTS = (MOST_LOOKBACK_DAYS + 1, f"a night may look {MOST_LOOKBACK_DAYS} days back")
_APPROVAL = (7, "a month that waits for its approval needs them")
_FEWEST = {
    "verdict_days": _NIGHTS,
    "quarantine_days": _NIGHTS,
    "shadow_verdict_days": _APPROVAL,
    "training_days": _APPROVAL,
    "report_photo_days": _APPROVAL,
    "kept_photo_days": (1, "the clock starts at the decision"),
}


class Retention(BaseModel):
    """Days after which a kind of rows or files is deleted; None keeps it for ever.

    - `verdict_days`: superseded verdicts of versions that no run has used since.
    - `quarantine_days`: rows of the quarantine that a later run resolved.
    - `shadow_verdict_days`: what a candidate said in the shadow.
    - `training_days`: files of a training, since they were written last.
    - `report_photo_days`: small pictures of photos in a model's report.
    - `kept_photo_days`: copies of photos, since people last decided on them.

    What stays all the same, and why: docs/retention.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdict_days: int | None = None
    quarantine_days: int | None = None
    shadow_verdict_days: int | None = None
    training_days: int | None = None
    report_photo_days: int | None = None
    kept_photo_days: int | None = None

    @field_validator("*")
    @classmethod
    def _possible(cls, days: int | None, field: ValidationInfo) -> int | None:
        fewest, why = _FEWEST[field.field_name or ""]
        if days is not None and not fewest <= days <= MOST_DAYS:
            raise ValueError(
                f"from {fewest} ({why}) to {MOST_DAYS:,} days; leave it out to keep for ever"
            )
        return days
