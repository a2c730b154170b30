"""Processes that outlive their starter, found again by their pid and starting time."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil

STOP_SECONDS = 20.0

# Our own children: held until they end, so that their exit status is collected.
_children: list[subprocess.Popen[bytes]] = []


def start(home: Path, name: str, command: list[str], environment: dict[str, str]) -> None:
    """Start a process; its output goes to `home/processes/<name>.log`."""
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
    began = psutil.Process(process.pid).create_time()
    _file(home).write_text(json.dumps(_pids(home) | {name: (process.pid, began)}))


def find(home: Path) -> dict[str, psutil.Process]:
    """The processes of `home` that still run."""
    found = {}
    for name, (pid, began) in _pids(home).items():
        try:
            process = psutil.Process(pid)
            # The number may have been given to a stranger since: ours began at the noted time.
            # (Neither command line nor environment tell: Airflow's processes rewrite both.)
            mine = process.create_time() == began
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found[name] = process
        except psutil.Error:
            continue
    return found


def stop_all(home: Path) -> None:
    """End them with all their children: first politely, then for good."""
    trees = [member for process in find(home).values() for member in _tree(process)]
    for process in trees:
        _signal(process.terminate)
    _, alive = psutil.wait_procs(trees, timeout=STOP_SECONDS)
    for process in alive:
        _signal(process.kill)
    _children[:] = [child for child in _children if child.poll() is None]
    _file(home).unlink(missing_ok=True)


def kill(home: Path, name: str) -> None:
    """End one process and all its children with SIGKILL, without a word to them."""
    process = find(home)[name]
    process.suspend()  # it must not start others, nor notice the end of those it has
    tree = _tree(process)
    for member in tree:
        _signal(member.kill)
    psutil.wait_procs(tree, timeout=STOP_SECONDS)


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [*process.children(recursive=True), process]


def _file(home: Path) -> Path:
    return home / "pids.json"


def _pids(home: Path) -> dict[str, tuple[int, float]]:
    try:
        pids: dict[str, tuple[int, float]] = json.loads(_file(home).read_text())
    except FileNotFoundError:
        return {}
    return pids


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return
