"""Rows that a nightly run would write, inserted directly where a test needs hundreds of photos."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text

from ml.storage.database import in_transaction

NIGHT = datetime(2026, 11, 1, 18, tzinfo=UTC)


class Rows:
    """Nights of a version `m` under a policy `p` in a fresh database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.execute(
            "insert into moderation.model_version (model_hash, weights_sha256, card) "
            "values ('m', 'w', '{}'), ('other', 'w', '{}')"
        )

    def execute(self, sql: str, **values: object) -> list[tuple[object, ...]]:
        """Run a statement; the rows, where it returns any."""

        def work(connection: Connection) -> list[tuple[object, ...]]:
            done = connection.execute(text(sql), values)
            return [tuple(row) for row in done] if done.returns_rows else []

        return in_transaction(self.engine, work)

    def nightly_run(
        self, run_id: str, *, day: int, model: str = "m", state: str = "reconciled", **columns: int
    ) -> None:
        """A night whose window ends `day` days after NIGHT."""
        end = NIGHT + timedelta(days=day)
        numbers = {"listed": 0, "judged": 0, "quarantined": 0, "already_judged": 0} | columns
        self.execute(
            "insert into moderation.audit_run (run_id, window_start, window_end, model_hash, "
            "policy_version, policy, device, state, listed, judged, quarantined, already_judged, "
            "started_at, reconciled_at) values (:run, :start, :end, :model, 'p', '{}', 'cpu', "
            ":state, :listed, :judged, :quarantined, :already_judged, :end, :end)",
            run=run_id, start=end - timedelta(days=1), end=end, model=model, state=state, **numbers,
        )  # fmt: skip

    def photos(
        self,
        run_id: str,
        scores: list[float],
        *,
        decision: str = "pass",
        model: str = "m",
        outcome: str = "judged",
    ) -> list[str]:
        """Judged photos of a night; returns their keys."""
        keys = [f"{run_id}/{decision}-{i:05}.jpg" for i in range(len(scores))]
        values = {
            "run": run_id, "keys": keys, "scores": scores, "decision": decision, "model": model,
            "outcome": outcome,
        }  # fmt: skip
        self.execute(
            "insert into moderation.image (object_key, etag, size_bytes, uploaded_at, "
            "content_sha256, state) select key, 'e', 1, now(), 'sha-' || key, 'judged' "
            "from unnest(cast(:keys as text[])) as key",
            keys=keys,
        )
        self.execute(
            "insert into moderation.audit_image (run_id, object_key, etag, outcome) "
            "select :run, key, 'e', :outcome from unnest(cast(:keys as text[])) as key",
            **{name: values[name] for name in ("run", "keys", "outcome")},
        )
        self.execute(
            "insert into moderation.verdict (content_sha256, model_hash, policy_version, decision, "
            "reasons, scores, violation_score, pass_confidence, runtime_versions, run_id) "
            "select 'sha-' || key, :model, 'p', :decision, array['why'], '{}', score, 0.7, '{}', "
            ":run from unnest(cast(:keys as text[]), cast(:scores as float[])) as t(key, score)",
            **{name: value for name, value in values.items() if name != "outcome"},
        )
        return keys

    def audit_label(
        self, key: str, label: str, *, at: datetime, rate: float = 0.01, route: str = "spot_check"
    ) -> int:
        """A task of the random audit and its answer; returns the label's id."""
        found = self.execute(
            "with task as (insert into moderation.review_task (object_key, etag, content_sha256, "
            "model_hash, policy_version, reasons, violation_score, run_id, state, priority, route, "
            "sampling_rate, created_at) values (:key, 'e', 'sha-' || :key, 'm', 'p', '{}', 0.1, "
            "'r', 'decided', 0.5, 'spot_check', :rate, :at) returning task_id) "
            "insert into moderation.human_label (content_sha256, label, reviewer, decided_at, "
            "route, sampling_rate, task_id) "
            "select 'sha-' || :key, :label, 'ann', :at, :route, :rate, task_id from task "
            "returning label_id",
            key=key, label=label, at=at, rate=rate, route=route,
        )  # fmt: skip
        return int(str(found[0][0]))
