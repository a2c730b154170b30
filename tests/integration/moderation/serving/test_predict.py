"""The contract of `/predict`, on a real server, database and bucket."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from ml.policy.schema import load_policy
from tests.integration.moderation.serving.photos import odd_photo
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.programs import NO_CURL, require_program
from tests.support.servers import Shop
from tests.support.serving import RunningService, multipart_files, serving
from tests.unit.vision.images.avif_boxes import encode_heif

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def test_predict_response_has_the_fields_of_the_contract(served: RunningService) -> None:
    bright, dark = served.predict(photo(BRIGHT)), served.predict(photo(DARK))
    assert bright.status_code == 200, bright.text
    assert bright.json()["result"] == "normal"
    assert dark.json()["result"] == "violate"


def test_response_names_model_policy_and_reasons(served: RunningService) -> None:
    said = served.predict(photo(DARK)).json()
    assert said["decision"] == "review"
    assert said["reasons"] == ["violation:violate"]
    assert sum(said["scores"].values()) == pytest.approx(1)
    assert said["confidence"] == max(said["scores"].values())
    assert said["model_version"] == served.shop.model_hash
    assert said["policy_version"] == load_policy(served.shop.settings.policy_file).version
    assert said["photos"][0]["name"] == "0.jpg"


def test_heic_photo_has_the_verdict_of_its_picture(served: RunningService) -> None:
    for level, result in ((BRIGHT, "normal"), (DARK, "violate")):
        heic = encode_heif(Image.open(io.BytesIO(photo(level))).convert("RGB"), quality=95)
        said = served.predict(heic)
        assert said.status_code == 200, said.text
        assert said.json()["result"] == result


def test_documented_curl_works(served: RunningService, tmp_path: Path) -> None:
    require_program(shutil.which("curl"), NO_CURL)
    (tmp_path / "photo.jpg").write_bytes(photo(DARK))
    key = f"Authorization: Bearer {served.token}"
    done = subprocess.run(
        ["curl", "-sS", "-H", key, "-F", f"image=@{tmp_path}/photo.jpg", f"{served.url}/predict"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["result"] == "violate"


def test_photo_for_review_is_not_normal(served: RunningService) -> None:
    levels = range(BRIGHT, DARK, -10)
    said = [served.predict(photo(level, seed=level)).json() for level in (*levels, MIDDLE)]
    assert {row["decision"] for row in said} == {"pass", "review"}
    assert all((row["result"] == "normal") == (row["decision"] == "pass") for row in said)


def test_several_photos_keep_their_order_with_the_worst_verdict_on_top(
    served: RunningService,
) -> None:
    said = served.predict(photo(BRIGHT), photo(DARK), photo(BRIGHT, seed=2)).json()
    assert [p["result"] for p in said["photos"]] == ["normal", "violate", "normal"]
    assert said["result"] == "violate"
    assert said["violation_score"] == said["photos"][1]["violation_score"]


def test_key_gets_the_verdict_of_its_bytes(served: RunningService) -> None:
    key = served.shop.upload("by-key.jpg", photo(DARK))
    by_key, by_bytes = served.predict(keys=(key,)).json(), served.predict(photo(DARK)).json()
    assert by_key["scores"] == by_bytes["scores"]
    assert by_key["photos"][0]["name"] == key


@pytest.mark.parametrize(
    "name",
    ["a\u3000b.jpg", "a\u00a0b.jpg", "\u3000", "\u00a0.jpg\u00a0", "\U0001f469\u200d\U0001f4bb.jpg",
     "a\u2028b.jpg", "\u202eb.jpg", "\ufeffa.jpg", "\ue000.jpg", "e\u0301.jpg", " a .jpg "],
)  # fmt: skip
def test_key_of_any_text_is_fetched_as_in_the_nightly_run(
    served: RunningService, name: str
) -> None:
    key = served.shop.upload(name, photo(DARK))
    answer = served.predict(keys=(key,))
    assert answer.status_code == 200, answer.text
    assert answer.json()["photos"][0]["name"] == key


def test_missing_key_is_404(served: RunningService) -> None:
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
        "{}a\x00.jpg",
        "{}a\x85.jpg",
        "s3://reviews/a.jpg",
        "{}../models/x",
        "{}",
    ],
)
def test_urls_and_keys_outside_the_prefix_are_rejected(served: RunningService, key: str) -> None:
    answer = served.predict(keys=(key.format(served.shop.settings.photo_prefix),))
    assert answer.status_code == 422
    assert answer.json()["error"]["reason"] == "not_a_photo_key"


def test_url_as_image_is_rejected(served: RunningService) -> None:
    with served.client() as client:
        answer = client.post("/predict", files={"image": (None, "http://127.0.0.1/a.jpg")})
    assert answer.status_code == 422
    assert answer.json()["error"]["reason"] == "image_is_no_file"


@pytest.mark.parametrize(
    ("kind", "status"),
    [("empty", 422), ("not_an_image", 415), ("unsupported_format", 415), ("truncated", 422),
     ("too_small", 422), ("animated", 422), ("too_many_pixels", 413)],
)  # fmt: skip
def test_rejected_photo_has_its_reason(served: RunningService, kind: str, status: int) -> None:
    answer = served.predict(odd_photo(kind))
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["reason"] == kind
    assert answer.json()["photos"][0]["reason"] == kind


def test_other_photos_are_scored_next_to_a_rejected_one(served: RunningService) -> None:
    answer = served.predict(photo(DARK), odd_photo("truncated"))
    assert answer.status_code == 422
    judged, rejected = answer.json()["photos"]
    assert judged["result"] == "violate"
    assert rejected["reason"] == "truncated"
    assert "result" not in answer.json()


def test_body_over_a_limit_is_413(shop: Shop) -> None:
    with serving(shop, serve_max_body_bytes=50_000, serve_max_images=2) as served:
        assert served.predict(photo(BRIGHT)).status_code == 200
        with served.client() as client:
            large = client.post("/predict", files=multipart_files(b"x" * 60_000))
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


def test_every_response_has_a_request_id(served: RunningService) -> None:
    with served.client() as client:
        given = client.get("/healthz", headers={"X-Request-ID": "order-4711"})
        made = client.post("/predict", headers={"X-Request-ID": "a\tb"})
    assert given.headers["X-Request-ID"] == "order-4711"
    assert made.headers["X-Request-ID"] == made.json()["request_id"]
    assert len(made.json()["request_id"]) == 32


def test_openapi_describes_the_routes(served: RunningService) -> None:
    with served.client() as client:
        described = client.get("/openapi.json").json()
    posted = described["paths"]["/predict"]["post"]
    assert (
        "image" in posted["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    )
    assert {"401", "403", "413", "415", "422", "429", "503"} <= posted["responses"].keys()
    example = posted["responses"]["200"]["content"]["application/json"]["example"]
    assert example["result"] == "violate"
