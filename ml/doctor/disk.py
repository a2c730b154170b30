"""Is there room, and may we write, where models and training scratch are kept?"""

import shutil
import tempfile

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok

# A cached version has 45 MB; a month's training writes checkpoints of three times that, and its
# photos' pixels, into the same folder.
MIN_FREE_GIB = 2.0


def disk(deployment: Deployment) -> Finding:
    """Write a file into the data folder and look at the free space there."""
    folder = deployment.settings.data_dir
    remedy = "name a folder that may be written in MODERATION_DATA_DIR"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"written by the doctor")
        free = shutil.disk_usage(folder).free / 2**30
    except OSError as error:
        return failed(f"{folder} cannot be written: {error}", do=remedy)
    if free < MIN_FREE_GIB:
        said = f"{folder}: {free:.1f} GiB free, {MIN_FREE_GIB:.0f} are needed"
        return failed(said, do=f"free space, or {remedy}")
    return ok(f"{folder}: {free:.0f} GiB free")
