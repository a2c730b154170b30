"""Processes that outlive their starter, identified by pid and start time."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

STOP_SECONDS = 20.0

# Children of this process; kept until they end, so that they are reaped.
_children: list[subprocess.Popen[bytes]] = []


def start(home: Path, name: str, command: list[str], environment: dict[str, str]) -> None:
    """Start a process; its output is appended to `home/processes/<name>.log`."""
    logs = home / "processes"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    _children.append(process)
    started_at = psutil.Process(process.pid).create_time()
    _pid_file(home).write_text(json.dumps(_load_pids(home) | {name: (process.pid, started_at)}))


def find(home: Path) -> dict[str, psutil.Process]:
    """Return the processes of `home` that still run, by name."""
    running = {}
    for name, (pid, started_at) in _load_pids(home).items():
        try:
            process = psutil.Process(pid)
            # The pid may have been reused; the start time identifies the process. Command line
            # and environment do not: Airflow's processes rewrite both.
            is_same = process.create_time() == started_at
            if is_same and process.status() != psutil.STATUS_ZOMBIE:
                running[name] = process
        except psutil.Error:
            continue
    return running


def stop_all(home: Path) -> None:
    """Terminate the processes of `home` with all their children; kill those that remain."""
    trees = [member for process in find(home).values() for member in _tree(process)]
    for process in trees:
        _send_signal(process.terminate)
    _, alive = psutil.wait_procs(trees, timeout=STOP_SECONDS)
    for process in alive:
        _send_signal(process.kill)
    _children[:] = [child for child in _children if child.poll() is None]
    _pid_file(home).unlink(missing_ok=True)


def kill(home: Path, name: str) -> None:
    """Kill one process and all its children (SIGKILL)."""
    process = find(home)[name]
    process.suspend()  # it must neither start children nor react to their end
    tree = _tree(process)
    for member in tree:
        _send_signal(member.kill)
    psutil.wait_procs(tree, timeout=STOP_SECONDS)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [*process.children(recursive=True), process]


def _pid_file(home: Path) -> Path:
    return home / "pids.json"


def _load_pids(home: Path) -> dict[str, tuple[int, float]]:
    try:
        pids: dict[str, tuple[int, float]] = json.loads(_pid_file(home).read_text())
    except FileNotFoundError:
        return {}
    return pids


def _send_signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return
