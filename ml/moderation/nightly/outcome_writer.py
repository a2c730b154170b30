"""Decide the scored photos of a shard, and write their verdicts in batches."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ml.core.types import Scored
from ml.models.predictor import Predictor, runtime_fingerprint
from ml.policy.verdict import Verdict, decide
from ml.storage.audit_runs import AuditRun
from ml.storage.decided_photos import earlier_decisions
from ml.storage.shadow_verdicts import ShadowVerdict, write_shadow_verdicts
from ml.storage.verdicts import (
    DecidedVerdict,
    ReusedDecision,
    VerdictSource,
    write_reused_decisions,
    write_verdicts,
)


class OutcomeWriter:
    """Decides the photos that a run's predictors have scored, and writes the verdicts."""

    def __init__(self, run: AuditRun, predictor: Predictor, shadow: Predictor | None) -> None:
        self._run = run
        self._shadow_confidence = shadow.pass_confidence if shadow else None
        self._source = VerdictSource(
            run_id=run.run_id,
            model_hash=run.model_hash,
            policy_version=run.policy.version,
            pass_confidence=predictor.pass_confidence,
            runtime_versions=runtime_fingerprint(predictor.batch_size, predictor.computation),
        )

    def write(self, connection: Connection, scored: Sequence[Scored]) -> int:
        """Write the verdicts of scored photos; returns how many there are."""
        run_id = self._run.run_id
        verdicts = [DecidedVerdict(photo, self._decide(photo)) for photo in scored]
        write_verdicts(connection, self._source, verdicts)
        write_reused_decisions(connection, run_id, self._reused_decisions(connection, scored))
        write_shadow_verdicts(connection, run_id, self._shadow_verdicts(scored))
        return len(scored)

    def _decide(self, photo: Scored, human_label: str | None = None) -> Verdict:
        return decide(
            photo.scores,
            pass_confidence=self._source.pass_confidence,
            policy=self._run.policy,
            screens=photo.screens,
            human_label=human_label,
        )

    def _reused_decisions(
        self, connection: Connection, scored: Sequence[Scored]
    ) -> list[ReusedDecision]:
        """Reviewer decisions before the run on the same bytes, where they replace the verdict."""
        if not self._run.policy.reuses_decisions:
            return []
        contents = {photo.content.sha256 for photo in scored}
        earlier = earlier_decisions(connection, contents, before=self._run.started_at)
        reused = []
        for photo in scored:
            known = earlier.get(photo.content.sha256)
            if known is not None and (verdict := self._decide(photo, known.label)).reused:
                key = photo.image.object_key
                reused.append(ReusedDecision(key, known.label_id, verdict.decision))
        return reused

    def _shadow_verdicts(self, scored: Sequence[Scored]) -> list[ShadowVerdict]:
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
