"""Server processes that outlive the Python process that started them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ml.errors import ServiceError

# A fatal error of SeaweedFS is followed by some 25 lines of call stack.
LOG_TAIL_LINES = 40
POLL_SECONDS = 0.05

_REMEDY = (
    "Mend what is named above (disk space, memory, file rights), or name a server of your own in "
    "the MODERATION_* settings."
)

# The shell leaves the server behind as a child of init, so that nobody has to wait for it, and
# says its pid on standard error; standard output is the log.
_DETACH = '"$@" </dev/null 2>&1 & echo $! >&2'


@dataclass(frozen=True)
class Account:
    """Unix user that a server runs as."""

    uid: int
    gid: int


def launch(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    account: Account | None = None,
    environment: dict[str, str] | None = None,
) -> int:
    """Start a server in a session of its own and return its pid.

    The log of the previous start is kept beside the new one as `<name>.previous`. The server
    sees PATH, HOME (= cwd) and what `environment` adds, nothing else of this process.

    Raises:
        ServiceError: the process could not be created.
    """
    if log.exists():
        log.replace(log.with_name(f"{log.name}.previous"))
    log.touch(mode=0o600)
    with log.open("wb") as output:
        done = run(
            ["/bin/sh", "-c", _DETACH, "sh", *command],
            cwd=cwd,
            account=account,
            environment=environment,
            stdout=output.fileno(),
        )
    return int(done.stderr)


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    account: Account | None = None,
    environment: dict[str, str] | None = None,
    stdout: int = subprocess.DEVNULL,
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, as another user if root says so; files it makes are private.

    Raises:
        ServiceError: the command could not be run or failed; carries what it wrote to stderr.
    """
    try:
        return subprocess.run(  # noqa: S603 - our own command lists, no shell text from outside
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
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.CalledProcessError as error:
        raise ServiceError(f"{command[0]} failed: {error.stderr.strip()}\n{_REMEDY}") from error
    except (OSError, subprocess.SubprocessError) as error:
        who = f" as user {account.uid}" if account else ""
        raise ServiceError(f"{command[0]} could not be run{who}: {error}\n{_REMEDY}") from error


def find(is_ours: Callable[[list[str]], bool]) -> list[psutil.Process]:
    """List the living processes whose command line `is_ours` accepts.

    Asking the process table instead of a remembered pid: a pid can be given to a stranger after
    a reboot. Only the command line is looked at, which every user may read, also where root
    lacks the right to look into processes of others (containers without SYS_PTRACE).
    """
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if command and is_ours(command):
            found.append(process)
    return found


def is_alive(pid: int) -> bool:
    """Say whether the process exists and is not merely waiting to be reaped."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def send(processes: Sequence[psutil.Process], number: signal.Signals, *, wait: float) -> bool:
    """Send one signal to each process and wait up to `wait` seconds; True when all have ended."""
    for process in processes:
        try:
            # psutil refuses to signal a pid that was given to another process since.
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
    return wait_for(lambda: not any(is_alive(each.pid) for each in processes), seconds=wait)


def wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask until the answer is True; False when `seconds` have gone by without it."""
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
    not_yet: tuple[type[Exception], ...],
    seconds: float,
    name: str,
    log: Path,
) -> None:
    """Call `probe` until it does not raise one of `not_yet`.

    Raises:
        ServiceError: the process ended or `seconds` went by; carries the last lines of its log.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            probe()
        except not_yet as error:
            reason = str(error)
        else:
            return
        if not is_alive(pid):
            raise ServiceError(f"{name} ended while starting.{_tail(log)}")
        if time.monotonic() > deadline:
            raise ServiceError(
                f"{name} did not answer within {seconds:.0f} s ({reason}).{_tail(log)}"
            )
        time.sleep(POLL_SECONDS)


def _tail(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = text.splitlines()[-LOG_TAIL_LINES:]
    return "\n".join([f" Last lines of {log}:", *lines, _REMEDY])
