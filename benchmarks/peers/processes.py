"""Runs one case in a process of its own, and returns its result."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import NullPool, create_engine, text

from benchmarks.memory import child_environment
from benchmarks.peers.figures import CEILING, Result
from benchmarks.peers.job import MARK
from benchmarks.peers.plan import Case
from benchmarks.peers.usage import UsageSampler
from benchmarks.setup import BenchShop
from ml.core.errors import ServiceError
from ml.core.settings import PREFIX, ROOT

_QUIET = {  # the peers would report the use of their software
    "RAY_USAGE_STATS_ENABLED": "0",
    "DAFT_ANALYTICS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "DAFT_PROGRESS_BAR": "0",
}
_WRITTEN = text("select count(*) from commerce.review_image where moderation_status <> 'pending'")
_LOG_CHARACTERS = 3000


def run_case(shop: BenchShop, case: Case, number: int) -> Result:
    """Run a case in round `number`, on a copy of the database in which nothing is judged yet.

    Raises:
        ServiceError: the process failed, or did not write a verdict for each photo; carries the
            end of its log.
    """
    with shop.database_copy("peer") as database_url:
        report = _run_process(shop, case, database_url)
        written = _count_written(database_url)
    if case.job.system != CEILING and written != len(case.job.keys):
        raise ServiceError(f"{case.name} wrote {written} of {len(case.job.keys)} verdicts")
    return Result(
        round=number,
        system=case.job.system,
        name=case.name,
        crop=case.version.crop,
        photos=len(case.job.keys),
        **report,  # type: ignore[arg-type]  # what `Report` prints
    )


def _count_written(database_url: str) -> int:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.execute(_WRITTEN).scalar_one())


def _run_process(shop: BenchShop, case: Case, database_url: str) -> dict[str, object]:
    Path(case.job.ready).unlink(missing_ok=True)
    log = shop.folder / "peer.log"
    command = [sys.executable, "-m", "benchmarks.peers.child", case.job.to_json()]
    own = {f"{PREFIX}DATABASE_URL": database_url, **case.environment}
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command,
            env=child_environment(shop) | _QUIET | own,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as child,
    ):
        try:
            report = _read_report(child)
        except BaseException:
            child.terminate()  # before this process waits for it
            raise
    if child.returncode != 0 or not report:
        raise ServiceError(f"{case.name} failed: {_end_of(log)}")
    return report


def _read_report(child: "subprocess.Popen[str]") -> dict[str, object]:
    """Measure a process from the start that it prints to its report, and return both."""
    usage, report = UsageSampler(child.pid), {}
    for line in child.stdout or ():
        if line == f"{MARK}start\n":
            usage.start()
        elif line.startswith(MARK):
            used = usage.stop()
            report = json.loads(line.removeprefix(MARK)) | asdict(used)
    return report


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_CHARACTERS:]
