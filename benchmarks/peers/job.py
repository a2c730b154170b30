"""One system's task in one round, as its process gets it, and what that process reports."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torchvision import transforms

from ml.core.settings import Settings
from ml.models.card import read_card
from ml.models.checkpoint import CARD, load_checkpoint

BATCH = 32  # of every system that has batches; that of the settings
STATUS = ("pass", "review")  # by class
UPDATE = "update commerce.review_image set moderation_status = %s where object_key = %s"
MARK = "peers: "  # begins the lines that the parent process reads


@dataclass(frozen=True)
class Job:
    """What to judge: the objects `keys`, all those under `prefix`, by the version in `folder`."""

    system: str
    prefix: str
    keys: list[str]
    model_hash: str
    folder: str
    threads: int  # torch's
    ready: str  # file whose time of change says when the model was loaded
    bf16: bool = False
    screens: bool = False

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the forward pass."""
        return torch.bfloat16 if self.bf16 else torch.float32

    def to_json(self) -> str:
        """Return it as JSON, for the command line of the process."""
        return json.dumps(asdict(self))


@dataclass
class Report:
    """Prints when the measured part starts and ends."""

    job: Job
    ready: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the block: from the request of the first photo to the last committed verdict."""
        print(f"{MARK}start", flush=True)
        began, start = time.time(), time.monotonic()
        yield
        seconds = time.monotonic() - start
        if (ready := Path(self.job.ready)).is_file():
            self.ready = ready.stat().st_mtime - began
        found = {"wall_seconds": seconds, "ready": self.ready, "stages": self.stages}
        print(MARK + json.dumps(found), flush=True)


def s3_keys(settings: Settings) -> tuple[str, str, str | None]:
    """Return access key, secret key and session token, if any, of the server."""
    keys = settings.s3_access_key, settings.s3_secret_key
    access, secret = (key.get_secret_value() if key else "" for key in keys)
    token = settings.s3_session_token
    return access, secret, token.get_secret_value() if token else None


def database_url(settings: Settings) -> str:
    """Return the database's URL as psycopg takes it."""
    url = settings.database_url.get_secret_value() if settings.database_url else ""
    return url.replace("postgresql+psycopg://", "postgresql://")


class Cropper:
    """The article's `val_transform` up to the crop: pixels (crop, crop, 3), uint8."""

    def __init__(self, folder: str) -> None:
        spec = read_card((Path(folder) / CARD).read_bytes(), source=folder).preprocessing
        self._transform = transforms.Compose(
            [
                transforms.Resize((spec.resize,) * 2 if spec.fit == "squash" else spec.resize),
                transforms.CenterCrop(spec.crop),
            ]
        )

    def crop(self, data: bytes) -> npt.NDArray[np.uint8]:
        """Decode, resize and crop one photo."""
        return np.asarray(self._transform(Image.open(io.BytesIO(data)).convert("RGB")))


class Classifier:
    """The version's network as PyTorch's tuning guide has it: batches, channels last, no grad."""

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        checkpoint = load_checkpoint(Path(job.folder))
        spec = checkpoint.card.preprocessing
        self._mean, self._std = (
            torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std)
        )
        network = checkpoint.build_network().to(job.dtype)
        self._network = network.to(memory_format=torch.channels_last)
        self._dtype = job.dtype
        Path(job.ready).touch()

    def statuses(self, pixels: npt.NDArray[np.uint8]) -> list[str]:
        """Classify a batch (N, crop, crop, 3)."""
        with torch.inference_mode():
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
            images = ((images - self._mean) / self._std).to(self._dtype)
            return [STATUS[number] for number in self._network(images).argmax(1).tolist()]
