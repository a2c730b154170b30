"""Start, find and signal server processes that outlive the Python process that started them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ml.core.errors import ServiceError

# A fatal error of SeaweedFS is followed by some 25 lines of call stack.
LOG_TAIL_LINES = 40
POLL_SECONDS = 0.05

_REMEDY = (
    "Fix the cause above (disk space, memory, file permissions), or name your own server in the "
    "MODERATION_* settings."
)

# The shell exits and leaves the server as a child of init, so that no parent has to reap it. It
# prints the pid on standard error; standard output is the log.
_DETACH = '"$@" </dev/null 2>&1 & echo $! >&2'


@dataclass(frozen=True)
class OsUser:
    """Operating-system user that a server runs as."""

    uid: int
    gid: int


def launch(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    os_user: OsUser | None = None,
    environment: dict[str, str] | None = None,
) -> int:
    """Start a server in its own session and return its pid.

    The log of the previous start is kept as `<name>.previous`. The server's environment is PATH,
    HOME (= cwd) and `environment`.

    Raises:
        ServiceError: the process could not be created.
    """
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))
    log.touch(mode=0o600)
    with log.open("wb") as output:
        done = run_command(
            ["/bin/sh", "-c", _DETACH, "sh", *command],
            cwd=cwd,
            os_user=os_user,
            environment=environment,
            stdout=output.fileno(),
        )
    return int(done.stderr)


def run_command(
    command: Sequence[str],
    *,
    cwd: Path,
    os_user: OsUser | None = None,
    environment: dict[str, str] | None = None,
    stdout: int = subprocess.DEVNULL,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to completion, as `os_user` if given (root only), with umask 077.

    Raises:
        ServiceError: the command could not be run or failed; carries its standard error.
    """
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(cwd)}
            | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
            start_new_session=True,
            umask=0o077,
            user=os_user.uid if os_user else None,
            group=os_user.gid if os_user else None,
            extra_groups=[] if os_user else None,
        )
    except subprocess.CalledProcessError as error:
        raise ServiceError(f"{command[0]} failed: {error.stderr.strip()}\n{_REMEDY}") from error
    except (OSError, subprocess.SubprocessError) as error:
        who = f" as user {os_user.uid}" if os_user else ""
        raise ServiceError(f"{command[0]} could not be run{who}: {error}\n{_REMEDY}") from error


def find_processes(matches: Callable[[list[str]], bool]) -> list[psutil.Process]:
    """Return the living processes whose command line `matches` accepts.

    It searches the process table because a stored pid may belong to another process after a
    reboot. It reads only the command line, which every user may do, even where root may not
    inspect other users' processes (containers without SYS_PTRACE).
    """
    processes = psutil.process_iter(["cmdline"])  # None where it cannot be read
    return [each for each in processes if each.info["cmdline"] and matches(each.info["cmdline"])]


def is_alive(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def signal_and_wait(
    processes: Sequence[psutil.Process], number: signal.Signals, *, wait: float
) -> bool:
    """Send a signal to each process; return whether all have ended within `wait` seconds."""
    for process in processes:
        try:
            # psutil does not signal a pid that has been reused by another process.
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
    return wait_for(lambda: not any(is_alive(each.pid) for each in processes), seconds=wait)


def wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Poll `condition` until it is true; False if it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def wait_until_ready(
    probe: Callable[[], object],
    *,
    pid: int,
    retry_on: tuple[type[Exception], ...],
    seconds: float,
    name: str,
    log: Path,
) -> None:
    """Call `probe` until it raises none of `retry_on`.

    Raises:
        ServiceError: the process ended, or `seconds` elapsed; carries the last lines of its log.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            probe()
        except retry_on as error:
            reason = str(error)
        else:
            return
        if not is_alive(pid):
            raise ServiceError(f"{name} ended while starting.{_log_tail(log)}")
        if time.monotonic() > deadline:
            raise ServiceError(
                f"{name} did not answer within {seconds:.0f} s ({reason}).{_log_tail(log)}"
            )
        time.sleep(POLL_SECONDS)


def _log_tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = text.splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([f" Last lines of {log}:", *lines, _REMEDY])
