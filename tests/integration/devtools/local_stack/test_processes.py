import os
from pathlib import Path

import psutil

from devtools.embedded.process import wait_for
from devtools.local_stack import processes


def test_kill_also_kills_child_processes(tmp_path: Path) -> None:
    processes.start(tmp_path, "parent", ["sh", "-c", "sleep 600 & wait"], dict(os.environ))
    parent = processes.find(tmp_path)["parent"]
    assert wait_for(lambda: bool(parent.children()), seconds=30)
    (child,) = parent.children()
    processes.kill(tmp_path, "parent")
    assert processes.find(tmp_path) == {}
    assert not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE
