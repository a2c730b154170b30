"""Cost of putting and listing many keys in a real bucket."""

import http.client
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import local
from urllib.parse import urlsplit

import psutil
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from rich.progress import track

from benchmarks.cost import Cost, measure_cost
from benchmarks.setup import BenchShop
from ml.core.concurrency import bounded_map
from ml.core.errors import StorageError
from ml.core.settings import Settings

PUT_THREADS = 8
_BATCH_KEYS = 500  # keys per task of a thread


def fill_and_list(
    shop: BenchShop, servers: Sequence[psutil.Process], keys: int, *, seconds: float
) -> tuple[int, dict[str, Cost]]:
    """Put tiny objects until there are `keys` or `seconds` elapse, then list them all.

    Returns:
        The number of keys, and the cost of putting and of listing them.
    """
    put = _ObjectUploader(shop.settings)
    until = time.monotonic() + seconds
    costs: dict[str, Cost] = {}
    with measure_cost(servers) as costs["put"], ThreadPoolExecutor(PUT_THREADS, "put") as pool:
        done = bounded_map(pool, put, _batches(keys), ahead=PUT_THREADS)
        for _ in track(done, "putting", total=-(-keys // _BATCH_KEYS)):
            if time.monotonic() > until:
                break
    with measure_cost(servers) as costs["list"]:
        listed = sum(len(page) for page in shop.connections.photos.list_pages("many/"))
    return listed, costs


def _batches(keys: int) -> Iterator[list[str]]:
    for first in range(0, keys, _BATCH_KEYS):
        yield [f"many/{n:09d}.jpg" for n in range(first, min(first + _BATCH_KEYS, keys))]


class _ObjectUploader:
    """Uploads by signed requests on persistent connections, at less than half the S3 client's cost.

    The upload itself is not measured as part of this project.
    """

    def __init__(self, settings: Settings) -> None:
        self._bucket = settings.photo_bucket
        self._url = str(settings.s3_endpoint_url).rstrip("/")
        pair = [k.get_secret_value() for k in (settings.s3_access_key, settings.s3_secret_key) if k]
        self._auth = S3SigV4Auth(Credentials(*pair), "s3", str(settings.signing_region))
        self._kept = local()

    def __call__(self, keys: Sequence[str]) -> None:
        """Put a one-byte object under each key."""
        for key in keys:
            path = f"/{self._bucket}/{key}"
            connection = self._connection()
            connection.request("PUT", path, body=b"x", headers=self._signed(path))
            response = connection.getresponse()
            response.read()
            if response.status != http.HTTPStatus.OK:
                raise StorageError(f"PUT {path} failed: {response.status}")

    def _signed(self, path: str) -> dict[str, str]:
        headers = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", "Host": urlsplit(self._url).netloc}
        request = AWSRequest("PUT", self._url + path, headers=headers)
        self._auth.add_auth(request)
        return dict(request.headers)

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._kept, "connection"):
            self._kept.connection = http.client.HTTPConnection(urlsplit(self._url).netloc)
        kept: http.client.HTTPConnection = self._kept.connection
        return kept
