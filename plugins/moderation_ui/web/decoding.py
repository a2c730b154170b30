"""Bound the photos that this process decodes at once: their number, and their pixels together.

Airflow's API server shares its memory with the whole of Airflow. A request beyond the bounds waits,
and is then answered with 503.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from threading import BoundedSemaphore, Condition
from typing import TypeVar, TypeVarTuple

from moderation_ui.web.errors import ApiError

T = TypeVar("T")
Args = TypeVarTuple("Args")

MAX_DECODES = 2
WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.02

_slots = BoundedSemaphore(MAX_DECODES)
# As few threads as slots: malloc keeps memory for each thread that ever decoded.
_threads = ThreadPoolExecutor(MAX_DECODES, "decode")
_changed = Condition()
_pixels = 0  # reserved; changed under `_changed`


async def run_in_slot(work: Callable[[*Args], T], *args: *Args) -> T:
    """The result of work that decodes photos, run in a slot; raises as `decode_slot` and `work`."""
    async with decode_slot():
        return await asyncio.get_running_loop().run_in_executor(_threads, work, *args)


@asynccontextmanager
async def decode_slot() -> AsyncIterator[None]:
    """Hold one of the slots. Waits without a thread: the threads are for the other pages.

    Raises:
        ApiError: 503, none became free in time.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not _slots.acquire(blocking=False):
        if time.monotonic() >= deadline:
            raise _busy()
        await asyncio.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        _slots.release()


@contextmanager
def reserve_pixels(count: int, max_pixels: int) -> Iterator[None]:
    """Hold pixels while they are decoded; call it in a thread that holds a slot.

    Raises:
        ApiError: 422, the photo alone exceeds the limit; 503, no room in time.
    """
    global _pixels  # noqa: PLW0603 - one budget per process
    if count > max_pixels:
        raise ApiError(422, "too_large", f"{count:,} pixels; at most {max_pixels:,} are shown")
    with _changed:
        if not _changed.wait_for(lambda: _pixels + count <= max_pixels, timeout=WAIT_SECONDS):
            raise _busy()
        _pixels += count
    try:
        yield
    finally:
        with _changed:
            _pixels -= count
            _changed.notify_all()


def _busy() -> ApiError:
    return ApiError(503, "busy", "other photos are being decoded")
