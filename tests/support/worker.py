"""A worker process whose work is what its request says: `python -m tests.support.worker`."""

import ctypes
import os
import sys
import time

import structlog

from ml.core.message_channel import Message
from ml.core.worker_loop import Work, serve

OUTPUT_BYTES = 1024
log = structlog.get_logger()


def do_work(request: Message, data: bytes, output: memoryview) -> Message:
    """Follow the request; the result has the configuration's number and the bytes' length."""
    match request["do"]:
        case "echo":
            output[: len(data)] = data
        case "spin":
            until = time.process_time() + request["seconds"]
            while time.process_time() < until:
                pass
        case "sleep":
            time.sleep(request["seconds"])
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(7)
        case "environment":
            return dict(os.environ)
        case "log":
            log.warning("seen", number=3)
            sys.stdout.write("not a result\n")
    return {"bytes": len(data), "pid": os.getpid()}


def make_work(config: str) -> Work:
    """The same work for all; a configuration `broken` is refused."""
    if config == "broken":
        raise ValueError(config)
    return do_work


if __name__ == "__main__":
    serve(make_work, OUTPUT_BYTES)
