"""Commands that write on the same case wait for each other, between the processes of one host: a lock on a file.

The lock is flock(2)'s: it ends with the process, however that ends. There are 256 files, which stay; cases that share
one by chance wait for each other too.
"""

import asyncio
import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from itop_bridge.errors import BridgeError

_SYSTEM_FOLDER = Path("/run/lock")
_LAST_FOLDER = Path("/tmp")  # noqa: S108 - a folder in it is used only if it is ours, as below /run/lock
_POLL_S = 0.02
PATIENCE_S = 120.0


class LockError(BridgeError):
    """The lock of a case cannot be had."""


def find_folder() -> Path:
    """The folder where none is configured: below the system's for locks, one for the users of a group; where there is
    no such folder, the user's own runtime folder, and at last one below /tmp."""
    own = Path(f"/run/user/{os.geteuid()}")
    if not _is_usable(_SYSTEM_FOLDER) and _is_usable(own):
        return own / "itop-bridge"
    return (_SYSTEM_FOLDER if _is_usable(_SYSTEM_FOLDER) else _LAST_FOLDER) / f"itop-bridge-{os.getegid()}"


def _is_usable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


@asynccontextmanager
async def hold_case(
    folder: Path,
    case: str,
    *,
    patience_s: float = PATIENCE_S,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[None]:
    """Hold the lock of a case. Raises LockError if another process holds it for `patience_s` seconds, or if the folder
    cannot be used."""
    digest = hashlib.sha256(case.encode("utf-8", "surrogatepass")).hexdigest()
    path = folder / f"{digest[:2]}.lock"
    handle = _open(folder, path)
    try:
        deadline = clock() + patience_s
        while not _try_lock(handle, path):
            if clock() >= deadline:
                raise LockError(f"another command has been writing on this case for {patience_s:g} s ({path})")
            await sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise LockError(f"cannot lock {path}: {error.strerror}") from error
    return True


def _open(folder: Path, path: Path) -> int:
    try:
        _make_folder(folder)
        return _open_file(path)
    except OSError as error:
        hint = "set commands.lock_folder in the configuration to a folder that all users of the commands may write"
        raise LockError(f"cannot use {path} for locks: {error.strerror}; {hint}") from error


def _make_folder(folder: Path) -> None:
    """Make it if it is not there, for the group. One that strangers can write could be made to lock nothing."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        pass
    else:
        folder.chmod(0o2770)
    found = folder.stat()
    own = found.st_uid in (0, os.geteuid()) or found.st_gid in {os.getegid(), *os.getgroups()}
    if not own or (found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX):
        raise LockError(f"the folder {folder} for locks may be written by anybody, or belongs to strangers")


def _open_file(path: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        try:
            return os.open(path, flags)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
        try:
            handle = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o660)
        except FileExistsError:
            continue  # another was faster
        os.fchmod(handle, 0o660)  # whatever the umask says: the group shares it
        return handle
