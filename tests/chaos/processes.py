"""Run a step in a process of its own, as a worker does, and kill it on request."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

from ml.core import errors
from tests.chaos.child import Call, Done, run_call

STEP_SECONDS = 180.0  # after which a step counts as hanging


@dataclass(frozen=True)
class Kill:
    """When to kill a process: after seconds, or at a point (see `child`)."""

    seconds: float | None = None
    point: int | None = None


NEVER = Kill()


@dataclass(frozen=True)
class Attempt:
    """An attempt at a step; `done` is None where the process was killed."""

    step: str
    done: Done | None
    seconds: float

    @property
    def failed(self) -> str:
        """The class of the error that the step raised; "" where it raised none."""
        return self.done.error if self.done else ""

    def raised(self, names: Iterable[str]) -> bool:
        """Whether the step raised one of these errors of the program."""
        kinds = tuple(getattr(errors, name) for name in names)
        found = getattr(errors, self.failed, None)
        return isinstance(found, type) and issubclass(found, kinds)


def fork_server() -> ForkServerContext:
    """Return the context whose processes start with everything imported."""
    # Read when the server starts: its processes shall not wait for each other's threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.chaos.preloaded"])
    return context


def run_process(call: Call, environment: dict[str, str], log: Path, kill: Kill = NEVER) -> Attempt:
    """Run one attempt; a step that hangs is killed and reported as the error `Hanging`."""
    context = fork_server()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run_call, args=(theirs, call, environment, log, kill.point))
    began = time.monotonic()
    process.start()
    theirs.close()
    hanging = not ours.poll(STEP_SECONDS if kill.seconds is None else kill.seconds)
    if kill.seconds is not None or hanging:
        process.kill()
    done = _receive(ours)
    process.join()
    seconds = time.monotonic() - began
    if kill.seconds is None and hanging:
        return Attempt(call.name, Done(error="Hanging", message=f"{STEP_SECONDS:.0f} s"), seconds)
    killed = process.exitcode == -signal.SIGKILL
    if done is None and not killed:
        return Attempt(
            call.name, Done(error="Crashed", message=f"exit {process.exitcode}"), seconds
        )
    return Attempt(call.name, None if killed else done, seconds)


def _receive(ours: "multiprocessing.connection.Connection") -> Done | None:
    try:
        with ours:
            done: Done = ours.recv()
            return done
    except (EOFError, OSError):
        return None
