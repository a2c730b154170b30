"""The buckets of the bundled SeaweedFS, made with its admin account; safe to run again."""

import json
import os
from pathlib import Path

from ml.settings import load_settings
from ml.storage.object_store import ObjectStore, s3_client

HOST = "http://object-storage:8333"  # the service's name in docker-compose.yaml


def create(identities: str, *, endpoint_url: str, buckets: list[str]) -> None:
    """Create what is not there.

    Args:
        identities: content of the secret `s3_identities`.
        endpoint_url: of the S3 server.
        buckets: their names.
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
    # Another S3 server's buckets are made by those whom it belongs to.
    if settings.s3_endpoint_url == HOST:
        secret = Path(os.environ["MODERATION_SECRETS_DIR"]) / "s3_identities"
        create(
            secret.read_text(encoding="utf-8"),
            endpoint_url=HOST,
            buckets=[settings.photo_bucket, settings.model_bucket],
        )
