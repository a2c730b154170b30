CREATE SCHEMA IF NOT EXISTS commerce;

CREATE TABLE commerce.review_image (
    image_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    review_id bigint NOT NULL,
    product_id bigint NOT NULL,
    object_key text NOT NULL,
    uploaded_at timestamptz NOT NULL,
    moderation_status text NOT NULL DEFAULT 'pending',
    moderated_at timestamptz
);

CREATE INDEX review_image_object_key ON commerce.review_image (object_key);

CREATE INDEX review_image_uploaded_at ON commerce.review_image (uploaded_at);
