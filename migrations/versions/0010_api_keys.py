"""Keys of /predict: hashed, with rights and limits."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE moderation.api_key (
            key_id TEXT NOT NULL,
            name TEXT NOT NULL,
            secret_sha256 BYTEA NOT NULL,
            rights TEXT[] NOT NULL,
            requests_per_minute INTEGER,
            in_flight INTEGER,
            created_at timestamptz DEFAULT now() NOT NULL,
            revoked_at timestamptz,
            PRIMARY KEY (key_id),
            CONSTRAINT api_key_rights CHECK (
                rights <@ array['predict', 'metrics'] and cardinality(rights) > 0
            ),
            CONSTRAINT api_key_secret CHECK (length(secret_sha256) = 32),
            CONSTRAINT api_key_limits CHECK (requests_per_minute > 0 and in_flight > 0)
        )
        """
    )
    # A name can be given again once its key is revoked.
    op.execute(
        "CREATE UNIQUE INDEX api_key_name ON moderation.api_key (name) WHERE revoked_at IS NULL"
    )
