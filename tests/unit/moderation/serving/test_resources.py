"""Several pieces of work of one request."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml.core.errors import StorageUnavailable
from ml.moderation.serving.resources import run_all


async def _answer(number: int) -> int:
    await asyncio.sleep(0)
    return number


async def _fail() -> int:
    raise StorageUnavailable("the database did not answer")


async def _run(*, fail: bool) -> list[int]:
    return await run_all([_answer(1), _fail() if fail else _answer(2), _answer(3)])


def _run_in_thread(*, fail: bool) -> list[int]:
    """Browser tests of the same process leave a loop running in the main thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(_run(fail=fail))).result()


def test_results_are_in_order() -> None:
    assert _run_in_thread(fail=False) == [1, 2, 3]


def test_error_is_raised_as_itself() -> None:
    """An error handler finds no error in a group: the request would be answered as a defect."""
    with pytest.raises(StorageUnavailable):
        _run_in_thread(fail=True)
