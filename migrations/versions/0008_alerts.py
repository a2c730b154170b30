"""Alerts: one row for each time that something was wrong, and what its receiver was told."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE moderation.alert (
            alert_id BIGINT GENERATED ALWAYS AS IDENTITY,
            kind TEXT NOT NULL,
            fact TEXT NOT NULL,
            details JSONB NOT NULL,
            raised_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            resolved_at TIMESTAMP WITH TIME ZONE,
            told_at TIMESTAMP WITH TIME ZONE,
            told_over_at TIMESTAMP WITH TIME ZONE,
            last_error TEXT,
            PRIMARY KEY (alert_id),
            CONSTRAINT alert_times CHECK (resolved_at >= raised_at)
        )
        """
    )
    # While it is open, a fact is one alert; when it comes back later, it is a new one.
    op.execute(
        """
        CREATE UNIQUE INDEX alert_open ON moderation.alert (kind, fact) WHERE resolved_at IS NULL
        """
    )
    op.execute(
        """
        CREATE INDEX alert_to_tell ON moderation.alert (alert_id)
        WHERE resolved_at IS NULL AND told_at IS NULL
            OR resolved_at IS NOT NULL AND told_at IS NOT NULL AND told_over_at IS NULL
        """
    )
