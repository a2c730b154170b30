"""Run as a program: decode every file of a folder in limited memory; print one JSON line per file.

Broken files can take a decoder, and with it the process, along: this is that process.
"""

import json
import resource
import sys
import time
from pathlib import Path

from ml.core.errors import ImageRejected
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits

ADDRESS_SPACE = 3 * 1024**3


def outcome(data: bytes) -> dict[str, str]:
    try:
        decoded = decode(data, limits=DecodeLimits())
    except ImageRejected as rejected:
        return {"outcome": rejected.reason.value}
    except BaseException as error:  # noqa: BLE001 - the test looks for unexpected exceptions
        return {"outcome": f"raised {error!r}"}
    return {"outcome": "decoded", "mode": decoded.image.mode}


def main(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        start = time.perf_counter()
        row = {"name": path.name, **outcome(data)}
        seconds = time.perf_counter() - start
        print(json.dumps({**row, "seconds": seconds}), flush=True)  # noqa: T201 - its interface


if __name__ == "__main__":
    main(Path(sys.argv[1]))
