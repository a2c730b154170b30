"""What the fork server imports once, so that the process of a step starts within milliseconds."""

import tests.chaos.child  # noqa: F401 - its function runs the step
from ml.storage.object_store import s3_client

# The first client of a process reads the description of S3, which takes most of a short step.
s3_client(
    endpoint_url="http://127.0.0.1:9", access_key="x", secret_key="x", region="us-east-1"
).close()
