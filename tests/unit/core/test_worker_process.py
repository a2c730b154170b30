"""One worker process: results, messages, deadlines, deaths, and what it inherits."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
import structlog

from ml.core.errors import WorkerDied, WorkerFailed
from ml.core.message_channel import Message
from ml.core.worker_process import OVERDUE_SECONDS, WorkerProcess
from tests.support.worker import OUTPUT_BYTES

MODULE = "tests.support.worker"
CONFIG = "any"


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    started = start()
    yield started
    started.kill()
    assert not is_alive(started.pid)


def start(module: str = MODULE, cpu_seconds: float = 30.0) -> WorkerProcess:
    return WorkerProcess(
        module, input_bytes=1000, output_bytes=OUTPUT_BYTES, cpu_seconds=cpu_seconds
    )


def run(worker: WorkerProcess, do: str, data: bytes = b"", **request: object) -> Message:
    return worker.run(CONFIG, {"do": do, **request}, data)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_worker_gets_bytes_and_returns_a_result_and_output(worker: WorkerProcess) -> None:
    for data in (b"first", b"", b"x" * 1000, b"last"):
        result = run(worker, "echo", data)
        assert result == {"bytes": len(data), "pid": worker.pid}
        assert worker.read_output(0, len(data)) == data


def test_worker_over_its_processor_seconds_ends_by_itself() -> None:
    worker = start(cpu_seconds=0.2)
    assert run(worker, "sleep", seconds=0.5)["bytes"] == 0  # waiting costs no processor time
    with pytest.raises(WorkerDied, match="SIGPROF") as caught:
        run(worker, "spin", seconds=60.0)
    assert caught.value.overtime
    worker.kill()


def test_worker_that_waits_too_long_is_killed() -> None:
    worker = start(cpu_seconds=0.15)
    began = time.monotonic()
    with pytest.raises(WorkerDied, match=r"took 1 s|took 2 s") as caught:
        run(worker, "sleep", seconds=60.0)
    assert caught.value.overtime
    assert time.monotonic() - began < 30.0
    worker.kill()


@pytest.mark.parametrize(("do", "ended"), [("crash", "SIGSEGV"), ("exit", "exit code 7")])
def test_worker_that_ends_says_how(worker: WorkerProcess, do: str, ended: str) -> None:
    with pytest.raises(WorkerDied, match=ended) as caught:
        run(worker, do)
    assert not caught.value.overtime
    assert caught.value.signal_name == ("SIGSEGV" if do == "crash" else None)


def test_worker_killed_from_outside_is_dead_at_once(worker: WorkerProcess) -> None:
    run(worker, "echo")
    threading.Timer(0.3, os.kill, (worker.pid, signal.SIGKILL)).start()
    with pytest.raises(WorkerDied, match="SIGKILL"):
        run(worker, "sleep", seconds=60.0)
    with pytest.raises(WorkerDied):
        run(worker, "echo")


def test_cancelled_work_ends_once_it_is_overdue(worker: WorkerProcess) -> None:
    cancelled = threading.Event()
    cancelled.set()
    began, overdue = time.monotonic(), []
    with pytest.raises(WorkerDied, match="no longer waited for"):
        worker.run(
            CONFIG,
            {"do": "sleep", "seconds": 60.0},
            b"",
            on_overdue=lambda: overdue.append(time.monotonic() - began),
            cancelled=cancelled,
        )
    assert len(overdue) == 1
    assert overdue[0] >= OVERDUE_SECONDS


def test_slow_work_is_reported_before_it_is_overdue(worker: WorkerProcess) -> None:
    reported: list[str] = []
    worker.run(
        CONFIG,
        {"do": "sleep", "seconds": 0.5},
        b"",
        on_overdue=lambda: reported.append("overdue"),
        on_slow=(0.1, lambda: reported.append("slow")),
    )
    assert reported == ["slow"]


def test_cancelled_work_that_is_soon_done_ends_by_itself(worker: WorkerProcess) -> None:
    cancelled = threading.Event()
    cancelled.set()
    request = {"do": "sleep", "seconds": 0.1}
    result = worker.run(CONFIG, request, b"", cancelled=cancelled)
    assert result["pid"] == worker.pid


def test_worker_that_does_not_start_is_not_the_works_fault() -> None:
    worker = start("tests.support.no_such_module")
    with pytest.raises(WorkerFailed, match=r"did not start \(exit code 1\)"):
        run(worker, "echo")
    worker.kill()


def test_worker_inherits_no_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODERATION_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    worker = start()
    environment = run(worker, "environment")
    assert "secret" not in " ".join(environment.values())
    assert environment["OMP_NUM_THREADS"] == "1"
    worker.close()


def test_log_of_a_worker_has_the_callers_context(
    worker: WorkerProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    with structlog.testing.capture_logs() as records:
        run(worker, "log")
    assert records == [{"event": "seen", "number": 3, "log_level": "warning"}]
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("is_ready", [True, False])
def test_worker_ends_quietly_with_its_caller(
    worker: WorkerProcess, capfd: pytest.CaptureFixture[str], is_ready: bool
) -> None:
    if is_ready:
        run(worker, "echo")
    worker._channel.close()  # as if this process had died
    for _ in range(100):
        if worker._process.poll() is not None:
            break
        time.sleep(0.1)
    assert worker._process.poll() == 0
    assert capfd.readouterr().err == ""
