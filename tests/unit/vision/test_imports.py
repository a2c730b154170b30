"""What a process that prepares photos loads: each decode worker does."""

import json
import subprocess
import sys

import pytest

from ml.core.settings import ROOT

# Each takes tenths of a second and tens of MiB. The OCR is loaded for the first photo that is read.
UNUSED = {
    "airflow",
    "boto3",
    "faiss",
    "httpx",
    "matplotlib",
    "onnxruntime",
    "pandas",
    "pydantic_settings",
    "rapidocr",
    "requests",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "torch",
    "torchvision",
}


@pytest.mark.parametrize(
    "modules",
    [
        "ml.vision.images.preprocess, ml.vision.images.fingerprint",
        "ml.vision.screens.runner, ml.policy.screens",
        "ml.moderation.pipeline.decode_worker",
    ],
)
def test_preparing_photos_loads_no_library_that_it_does_not_use(modules: str) -> None:
    code = f"import json, sys, {modules}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert UNUSED & set(json.loads(done.stdout)) == set()


def test_screens_load_the_ocr_for_the_first_photo_that_is_read() -> None:
    code = """
import sys
from PIL import Image
from ml.policy.screens import Screens
from ml.vision.screens.runner import ScreenRunner
rules = Screens.model_validate({"text": {"enabled": True}, "codes": {"enabled": True}})
runner = ScreenRunner(rules)
runner.run(Image.new("RGB", (200, 100)))
print("rapidocr" in sys.modules, end=" ")
runner.load()
print("rapidocr" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
