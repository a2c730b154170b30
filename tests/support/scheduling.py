"""Distribution of tests to parallel workers: the longest first, shared fixtures together."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.scheduler.protocol import Scheduling

# Tests in one of these folders share one Airflow installation and therefore one worker.
TOGETHER = ("tests/integration/airflow/",)
# The longest tests start first, so that no worker is left with them at the end.
LONGEST = (
    "tests/integration/airflow/",
    "tests/browser/",
    "tests/integration/plugins/",
    "tests/integration/deploy/",
    "tests/integration/learning/",
    "tests/integration/",
)


def group_of(nodeid: str) -> str:
    """Return the folder or file whose tests run in one worker."""
    shared = next((folder for folder in TOGETHER if nodeid.startswith(folder)), None)
    return shared or nodeid.partition("::")[0]


def rank(nodeid: str) -> int:
    """Return the index of a test's folder in LONGEST; other tests come last."""
    places = [place for place, folder in enumerate(LONGEST) if nodeid.startswith(folder)]
    return min(places, default=len(LONGEST))


class GroupScheduling(LoadScopeScheduling):
    """`--dist loadscope`, with the groups of `group_of`."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Schedule groups in the order of the collection."""
    config.option.loadscopereorder = False
    return GroupScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by rank; the order within a folder is kept."""
    items.sort(key=lambda item: rank(item.nodeid))
