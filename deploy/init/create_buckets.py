"""Create the buckets of the bundled SeaweedFS with its admin account. Idempotent."""

import json
import os
from pathlib import Path

from ml.core.settings import load_settings
from ml.storage.object_store import ObjectStore, s3_client

HOST = "http://object-storage:8333"  # the service's name in docker-compose.yaml


def create_buckets(identities: str, *, endpoint_url: str, buckets: list[str]) -> None:
    """Create the missing buckets.

    Args:
        identities: content of the secret `s3_identities`.
        endpoint_url: of the S3 server.
        buckets: names of the buckets.
    """
    accounts = {account["name"]: account for account in json.loads(identities)["identities"]}
    key = accounts["admin"]["credentials"][0]
    client = s3_client(
        endpoint_url=endpoint_url,
        access_key=key["accessKey"],
        secret_key=key["secretKey"],
        region="us-east-1",
    )
    for bucket in buckets:
        ObjectStore(client, bucket).create()
    client.close()


if __name__ == "__main__":
    settings = load_settings()
    # The buckets of another S3 server are created by its administrators.
    if settings.s3_endpoint_url == HOST:
        secret = Path(os.environ["MODERATION_SECRETS_DIR"]) / "s3_identities"
        create_buckets(
            secret.read_text(encoding="utf-8"),
            endpoint_url=HOST,
            buckets=[settings.photo_bucket, settings.model_bucket],
        )
