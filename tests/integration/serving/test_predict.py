"""The contract of `/predict`, on a real server, database and bucket."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ml.policy.policy import load_policy
from tests.integration.serving.photos import odd_photo
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.servers import Shop
from tests.support.serving import Served, parts, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_the_articles_contract(served: Served) -> None:
    bright, dark = served.predict(photo(BRIGHT)), served.predict(photo(DARK))
    assert bright.status_code == 200, bright.text
    assert bright.json()["result"] == "normal"
    assert dark.json()["result"] == "violate"


def test_an_answer_says_by_what_and_why(served: Served) -> None:
    said = served.predict(photo(DARK)).json()
    assert said["decision"] == "review"
    assert said["reasons"] == ["violation:violate"]
    assert sum(said["scores"].values()) == pytest.approx(1)
    assert said["confidence"] == max(said["scores"].values())
    assert said["model_version"] == served.shop.model_hash
    assert said["policy_version"] == load_policy(served.shop.settings.policy_file).version
    assert said["photos"][0]["name"] == "0.jpg"


def test_curl_as_the_page_has_it(served: Served, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    (tmp_path / "photo.jpg").write_bytes(photo(DARK))
    key = f"Authorization: Bearer {served.token}"
    done = subprocess.run(
        ["curl", "-sS", "-H", key, "-F", f"image=@{tmp_path}/photo.jpg", f"{served.url}/predict"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["result"] == "violate"


def test_what_waits_for_a_person_is_not_normal(served: Served) -> None:
    levels = range(BRIGHT, DARK, -10)
    said = [served.predict(photo(level, seed=level)).json() for level in (*levels, MIDDLE)]
    assert {row["decision"] for row in said} == {"pass", "review"}
    assert all((row["result"] == "normal") == (row["decision"] == "pass") for row in said)


def test_several_photos_come_back_in_order_and_the_gravest_on_top(served: Served) -> None:
    said = served.predict(photo(BRIGHT), photo(DARK), photo(BRIGHT, seed=2)).json()
    assert [p["result"] for p in said["photos"]] == ["normal", "violate", "normal"]
    assert said["result"] == "violate"
    assert said["violation_score"] == said["photos"][1]["violation_score"]


def test_a_key_of_the_bucket_is_judged_like_its_bytes(served: Served) -> None:
    key = served.shop.upload("by-key.jpg", photo(DARK))
    by_key, by_bytes = served.predict(keys=(key,)).json(), served.predict(photo(DARK)).json()
    assert by_key["scores"] == by_bytes["scores"]
    assert by_key["photos"][0]["name"] == key


def test_a_key_that_is_not_there_is_404(served: Served) -> None:
    answer = served.predict(keys=(f"{served.shop.settings.photo_prefix}none.jpg",))
    assert answer.status_code == 404
    assert answer.json()["error"]["reason"] == "object_absent"


@pytest.mark.parametrize(
    "key",
    [
        "models/secret",
        "http://127.0.0.1/x.jpg",
        "",
        "reviews/\n",
        "s3://reviews/a.jpg",
        "{}../models/x",
        "{}",
    ],
)
def test_neither_addresses_nor_other_keys_are_looked_at(served: Served, key: str) -> None:
    answer = served.predict(keys=(key.format(served.shop.settings.photo_prefix),))
    assert answer.status_code == 422
    assert answer.json()["error"]["reason"] == "not_a_photo_key"


def test_an_address_in_place_of_a_file_is_refused(served: Served) -> None:
    with served.client() as client:
        answer = client.post("/predict", files={"image": (None, "http://127.0.0.1/a.jpg")})
    assert answer.status_code == 422
    assert answer.json()["error"]["reason"] == "image_is_no_file"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("empty", 422), ("not_an_image", 415), ("unsupported_format", 415), ("truncated", 422),
     ("too_small", 422), ("animated", 422), ("too_many_pixels", 413)],
)  # fmt: skip
def test_a_photo_that_cannot_be_judged_says_why(served: Served, kind: str, status: int) -> None:
    answer = served.predict(odd_photo(kind))
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["reason"] == kind
    assert answer.json()["photos"][0]["reason"] == kind


def test_beside_one_that_cannot_be_judged_the_others_are(served: Served) -> None:
    answer = served.predict(photo(DARK), odd_photo("truncated"))
    assert answer.status_code == 422
    judged, rejected = answer.json()["photos"]
    assert judged["result"] == "violate"
    assert rejected["reason"] == "truncated"
    assert "result" not in answer.json()


def test_bodies_over_a_limit_are_413(shop: Shop) -> None:
    with serving(shop, serve_max_body_bytes=50_000, serve_max_images=2) as served:
        assert served.predict(photo(BRIGHT)).status_code == 200
        with served.client() as client:
            large = client.post("/predict", files=parts(b"x" * 60_000))
            streamed = client.post(
                "/predict",
                content=(b"x" * 10_000 for _ in range(50)),
                headers={"Content-Type": "multipart/form-data; boundary=b"},
            )
        assert large.json()["error"]["reason"] == "body_too_large"
        assert streamed.status_code in (400, 413)
        many = served.predict(*(photo(seed=n) for n in range(3)))
    assert large.status_code == many.status_code == 413
    assert many.json()["error"]["reason"] == "too_many_images"


def test_every_answer_carries_a_request_id(served: Served) -> None:
    with served.client() as client:
        given = client.get("/healthz", headers={"X-Request-ID": "order-4711"})
        made = client.post("/predict", headers={"X-Request-ID": "a\tb"})
    assert given.headers["X-Request-ID"] == "order-4711"
    assert made.headers["X-Request-ID"] == made.json()["request_id"]
    assert len(made.json()["request_id"]) == 32


def test_the_api_describes_itself(served: Served) -> None:
    with served.client() as client:
        described = client.get("/openapi.json").json()
    posted = described["paths"]["/predict"]["post"]
    assert (
        "image" in posted["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    )
    assert {"401", "403", "413", "415", "422", "429", "503"} <= posted["responses"].keys()
    example = posted["responses"]["200"]["content"]["application/json"]["example"]
    assert example["result"] == "violate"
