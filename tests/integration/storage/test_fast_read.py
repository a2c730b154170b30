"""Reads by obstore: the same bytes and errors as by boto3, which decides every doubt."""

import multiprocessing
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
import structlog

from ml.core.errors import ObjectChanged, ObjectNotFound, StorageError
from ml.storage import fast_read
from ml.storage.fast_read import MAX_DIFFERENCES
from ml.storage.object_store import RETRY_ATTEMPTS, ObjectStore
from tests.integration.storage.test_s3_errors import CODES
from tests.support.faulty_proxy import Answer, s3_error
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_waiting")]

DATA, OTHER = b"the bytes of this photo", b"bytes of another photo!"
KEYS = ["a.jpg", "图 a+b%20.jpg", "a&<b>#c?d.jpg", "a=b;c:d@e,f$g!h'i(j)k*l~m", "é", "%E5", "a%2Fb"]
UNUSUAL = ["/a", "a//b", "a\tb"]  # keys that obstore reads under another name, or not at all
Fault = Callable[[str, str], object]


class Bucket:
    """A bucket behind a proxy whose fault can be changed; counts the requests."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.fault: Fault = lambda *_: None
        self.requests = 0
        self.store: ObjectStore

    def answer(self, method: str, path: str) -> object:
        """Count a request; return its fault."""
        self.requests += 1
        return self.fault(method, path)

    def get(self, **expected: object) -> bytes:
        """Read the photo."""
        return self.store.get(f"{self.prefix}a.jpg", **expected)  # type: ignore[arg-type]

    def count(self, **expected: object) -> tuple[object, int]:
        """Return the bytes or the error of a read, and how many requests it took."""
        before = self.requests
        try:
            found: object = self.get(**expected)
        except StorageError as error:
            found = error
        return found, self.requests - before


@contextmanager
def _bucket(shop: Shop) -> Iterator[Bucket]:
    """Yield the bucket with the photo `a.jpg`, after boto3 has read it once."""
    shop.upload("a.jpg", DATA, row=False)
    bucket = Bucket(shop.settings.photo_prefix)
    with connections_through_proxy(shop, bucket.answer) as connections:  # type: ignore[arg-type]
        bucket.store = connections.photos
        assert bucket.get() == DATA
        yield bucket


@pytest.fixture
def bucket(shop: Shop) -> Iterator[Bucket]:
    with _bucket(shop) as found:
        yield found


@pytest.fixture
def no_boto3(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Return the bucket, where a read by boto3 fails the test."""
    monkeypatch.setattr(bucket.store, "_read_by_boto3", lambda *_: pytest.fail("boto3 reads"))
    return bucket


def test_bytes_come_from_obstore_after_boto3_has_read_once(no_boto3: Bucket) -> None:
    ((listed,),) = no_boto3.store.list_pages(no_boto3.prefix)
    assert no_boto3.get() == DATA
    assert no_boto3.get(etag=listed.etag, size_bytes=len(DATA), max_bytes=len(DATA)) == DATA


@pytest.mark.parametrize("name", KEYS)
def test_keys_with_unusual_characters_are_read_by_obstore(
    name: str, shop: Shop, no_boto3: Bucket
) -> None:
    key = shop.upload(name, name.encode(), row=False)
    assert no_boto3.store.get(key) == name.encode()


@pytest.mark.parametrize("key", UNUSUAL)
def test_key_that_obstore_would_change_is_read_by_boto3(key: str, bucket: Bucket) -> None:
    bucket.store.put(key.strip("/"), b"another object")
    bucket.store.put(key, DATA)
    assert bucket.store.get(key) == DATA


def test_threads_read_their_own_objects(shop: Shop, no_boto3: Bucket) -> None:
    keys = [shop.upload(f"{n}.jpg", b"%d" % n * 1000, row=False) for n in range(50)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(no_boto3.store.get, keys * 4))
    assert found == [b"%d" % n * 1000 for n in range(50)] * 4


@pytest.mark.parametrize("size", [0, 10, 11, 5000])
def test_at_most_one_byte_over_the_limit_is_returned(size: int, shop: Shop, bucket: Bucket) -> None:
    key = shop.upload(f"{size}.jpg", b"x" * size, row=False)
    assert len(bucket.store.get(key, max_bytes=10)) == min(size, 11)


@pytest.mark.parametrize(("status", "code", "error", "remedy"), CODES, ids=[c[1] for c in CODES])
def test_error_is_that_of_boto3(
    status: int, code: str, error: type[StorageError], remedy: str, bucket: Bucket
) -> None:
    bucket.fault = lambda *_: s3_error(status, code, Region="eu-west-9")
    (first, tried), (second, again) = bucket.count(), bucket.count()
    assert type(first) is type(second) is error
    assert str(first) == str(second)
    assert remedy.partition(".*")[0] in str(first)
    assert first.__context__ is None or "obstore" not in repr(first.__context__)
    # obstore asks once more for each object that is missing, and once in an outage.
    assert tried == again + 1 or error.__name__.startswith("Object")


def test_outage_costs_one_request_more_in_all(bucket: Bucket) -> None:
    bucket.fault = lambda *_: 503
    assert [bucket.count()[1] for _ in range(4)] == [RETRY_ATTEMPTS + 1, *[RETRY_ATTEMPTS] * 3]
    bucket.fault = lambda *_: None
    assert [bucket.count() for _ in range(3)] == [(DATA, 1)] * 3


def test_replaced_and_missing_objects_do_not_stop_obstore(bucket: Bucket) -> None:
    for _ in range(MAX_DIFFERENCES + 1):
        with pytest.raises(ObjectChanged):
            bucket.get(etag="another")
        with pytest.raises(ObjectNotFound):
            bucket.store.get(f"{bucket.prefix}gone.jpg")
    assert bucket.count() == (DATA, 1)
    assert bucket.store._reader.is_used


def test_bucket_whose_etags_are_no_md5_is_read_by_boto3_alone_after_some_reads(
    bucket: Bucket,
) -> None:
    def encrypted(answer: Answer) -> Answer:
        return answer.with_body(OTHER).with_header("x-amz-server-side-encryption", "aws:kms")

    bucket.fault = lambda *_: encrypted
    with structlog.testing.capture_logs() as logs:
        found = [bucket.count() for _ in range(MAX_DIFFERENCES + 3)]
    assert found == [(OTHER, 2)] * MAX_DIFFERENCES + [(OTHER, 1)] * 3
    assert [line["event"] for line in logs] == ["objects are read by boto3 alone"]


@pytest.mark.parametrize("body", [OTHER, DATA[:-1], DATA + b".", b""])
def test_other_bytes_are_never_returned(body: bytes, bucket: Bucket) -> None:
    faults: list[Callable[[Answer], Answer]] = [lambda answer: answer.with_body(body)]
    bucket.fault = lambda *_: faults.pop() if faults else None
    assert bucket.get(size_bytes=len(DATA)) == DATA


@pytest.mark.parametrize("fault", ["cut", 302, Answer(200, [], b"<html></html>")])
def test_broken_response_to_obstore_is_read_again(fault: object, bucket: Bucket) -> None:
    faults = [fault]
    bucket.fault = lambda *_: faults.pop() if faults else None
    assert bucket.count() == (DATA, 2)


def test_bucket_behind_a_proxy_of_the_environment_is_read_by_boto3(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", bucket.store.endpoint_url)
    monkeypatch.setenv("NO_PROXY", "")
    again = ObjectStore(bucket.store._client, bucket.store.bucket)
    assert again.get(f"{bucket.prefix}a.jpg") == DATA
    assert not again._reader.is_used


def test_bucket_that_obstore_cannot_open_is_read_by_boto3(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("of this configuration")

    monkeypatch.setattr(fast_read, "S3Store", refuse)
    again = ObjectStore(bucket.store._client, bucket.store.bucket)
    assert [again.get(f"{bucket.prefix}a.jpg") for _ in range(2)] == [DATA, DATA]
    assert not again._reader.is_used


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_authorities_of_boto3_alone_are_left_to_boto3(
    name: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = bucket.store._client._request_signer  # type: ignore[attr-defined]
    for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    assert fast_read._is_like_boto3("https://s3.example.com/photos", signer)
    monkeypatch.setenv(name, "/company.pem")
    assert not fast_read._is_like_boto3("https://s3.example.com/photos", signer)
    assert fast_read._is_like_boto3("http://s3.example.com/photos", signer)


def test_variables_for_aws_do_not_change_where_is_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.setenv(name, "another")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with _bucket(shop) as bucket:
        monkeypatch.setattr(bucket.store, "_read_by_boto3", lambda *_: pytest.fail("boto3 reads"))
        assert bucket.get() == DATA


def test_new_credentials_of_boto3_are_used(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.storage.fast_read._CREDENTIALS_TTL", timedelta(0))
    signer = bucket.store._client._request_signer  # type: ignore[attr-defined]
    assert bucket.get() == DATA
    signer._credentials.secret_key = "rotated: no longer right"
    found, _ = bucket.count()
    assert isinstance(found, StorageError)
    assert "rotated" not in str(found)


def test_fork_of_a_process_that_used_obstore_reads_by_boto3(bucket: Bucket) -> None:
    assert bucket.get() == DATA
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks with threads: that is it
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=lambda: sender.send(bucket.get()))
        child.start()
    assert receiver.poll(20)
    assert receiver.recv() == DATA
    child.join(20)
    assert child.exitcode == 0
