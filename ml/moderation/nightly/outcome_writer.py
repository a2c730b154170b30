"""Decide the scored photos of a shard, and write its outcomes in batches."""

from sqlalchemy import Connection

from ml.core.types import Outcome, RejectedImage, Scored
from ml.models.predictor import Predictor, runtime_fingerprint
from ml.policy.verdict import decide
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.decided_photos import earlier_decisions
from ml.storage.pending_images import set_outcomes
from ml.storage.quarantine import QuarantineRow, put_in_quarantine
from ml.storage.shadow_verdicts import ShadowVerdict, write_shadow_verdicts
from ml.storage.verdicts import (
    DecidedVerdict,
    ReusedDecision,
    VerdictSource,
    write_reused_decisions,
    write_verdicts,
)


class OutcomeWriter:
    """Writes the outcomes of one run, a batch of them in a transaction.

    Args:
        run: the run.
        predictor: has scored the photos.
        shadow: has scored them, too; None without one.
        connections: open ones.
    """

    def __init__(
        self,
        run: AuditRun,
        *,
        predictor: Predictor,
        shadow: Predictor | None,
        connections: Connections,
    ) -> None:
        self._run = run
        self._engine = connections.engine
        self._pass_confidence = predictor.card.thresholds.pass_confidence
        self._shadow_confidence = shadow.card.thresholds.pass_confidence if shadow else None
        self._source = VerdictSource(
            run_id=run.run_id,
            model_hash=run.model_hash,
            policy_version=run.policy.version,
            pass_confidence=self._pass_confidence,
            runtime_versions=runtime_fingerprint(predictor.batch_size),
        )

    def write(self, outcomes: list[Outcome]) -> dict[str, int]:
        """Write what was scored or rejected; returns how many images were scored, quarantined."""
        scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
        rejected = [outcome for outcome in outcomes if isinstance(outcome, RejectedImage)]
        in_transaction(self._engine, lambda c: self._write(c, scored, rejected))
        return {"judged": len(scored), "quarantined": len(rejected)}

    def _write(
        self, connection: Connection, scored: list[Scored], rejected: list[RejectedImage]
    ) -> None:
        run_id = self._run.run_id
        write_verdicts(connection, self._source, self._verdicts(scored))
        write_reused_decisions(connection, run_id, self._reused_decisions(connection, scored))
        write_shadow_verdicts(connection, run_id, self._shadow_verdicts(scored))
        rows = [
            QuarantineRow(r.image.object_key, r.image.etag, r.error.reason, r.error.detail)
            for r in rejected
        ]
        put_in_quarantine(connection, run_id, rows)
        set_outcomes(connection, run_id, [row.object_key for row in rows], "quarantined")

    def _verdicts(self, scored: list[Scored]) -> list[DecidedVerdict]:
        return [
            DecidedVerdict(
                photo,
                decide(
                    photo.scores,
                    pass_confidence=self._pass_confidence,
                    policy=self._run.policy,
                    screens=photo.screens,
                ),
            )
            for photo in scored
        ]

    def _reused_decisions(
        self, connection: Connection, scored: list[Scored]
    ) -> list[ReusedDecision]:
        """Reviewer decisions before the run on the same bytes, where they replace the verdict."""
        if not self._run.policy.reuses_decisions:
            return []
        contents = {photo.content.sha256 for photo in scored}
        earlier = earlier_decisions(connection, contents, before=self._run.started_at)
        reused = []
        for photo in scored:
            known = earlier.get(photo.content.sha256)
            if known is None:
                continue
            decided = decide(
                photo.scores,
                pass_confidence=self._pass_confidence,
                policy=self._run.policy,
                screens=photo.screens,
                human_label=known.label,
            )
            if decided.reused:
                key = photo.image.object_key
                reused.append(ReusedDecision(key, known.label_id, decided.decision))
        return reused

    def _shadow_verdicts(self, scored: list[Scored]) -> list[ShadowVerdict]:
        if self._shadow_confidence is None:
            return []
        return [
            ShadowVerdict(
                photo.content.sha256,
                decide(
                    photo.shadow_scores,
                    pass_confidence=self._shadow_confidence,
                    policy=self._run.policy,
                    screens=photo.screens,
                ),
                photo.shadow_scores,
            )
            for photo in scored
            if photo.shadow_scores is not None
        ]
