import os
from pathlib import Path

import psutil

from ml.embedded.process import wait_for
from stack import processes


def test_a_kill_takes_the_children_along(tmp_path: Path) -> None:
    processes.start(tmp_path, "parent", ["sh", "-c", "sleep 600 & wait"], dict(os.environ))
    parent = processes.find(tmp_path)["parent"]
    assert wait_for(lambda: bool(parent.children()), seconds=30)
    (child,) = parent.children()
    processes.kill(tmp_path, "parent")
    assert processes.find(tmp_path) == {}
    assert not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE
