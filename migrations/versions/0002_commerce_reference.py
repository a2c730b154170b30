"""A reference `commerce.review_image`, for the demo and the tests only: a shop brings its own.

A branch of its own, so that `moderation@head` in production never touches the shop's schema.
"""

from alembic import op

revision = "0002"
down_revision = None
branch_labels = ("commerce_reference",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS commerce")
    op.execute(
        """
        CREATE TABLE commerce.review_image (
            image_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            review_id bigint NOT NULL,
            product_id bigint NOT NULL,
            object_key text NOT NULL,
            uploaded_at timestamptz NOT NULL,
            moderation_status text NOT NULL DEFAULT 'pending',
            moderated_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX review_image_object_key ON commerce.review_image (object_key)")
    op.execute("CREATE INDEX review_image_uploaded_at ON commerce.review_image (uploaded_at)")
