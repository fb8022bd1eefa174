"""As which user PostgreSQL runs: it refuses root, and it must reach its binaries and its files."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

ACCOUNTS = ("keygenreg", "postgres", "nobody")
_NOBODY = 65534


@frozen
class Identity:
    """``word`` tells the launcher what to become; ``uid`` and ``gid`` own the server's files as the host sees them."""

    word: str
    uid: int
    gid: int


def choose_identity(paths: Iterable[Path], accounts: Iterable[str] = ACCOUNTS) -> Identity:
    """Who can run the server.

    A normal user stays itself. Root becomes the first of the accounts that exists and can go to all the paths; when
    none can, such as below root's home, root keeps the files and looks like nobody inside a user namespace.

    :param paths: directories that the server must be able to enter.
    """
    if os.geteuid() != 0:
        return Identity("same", os.geteuid(), os.getegid())
    resolved = [path.resolve() for path in paths]
    for name in accounts:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        known = _is_mapped(account.pw_uid, "uid") and _is_mapped(account.pw_gid, "gid")
        if known and account.pw_uid != 0 and all(_enters(account.pw_uid, account.pw_gid, path) for path in resolved):
            return Identity(f"{account.pw_uid}:{account.pw_gid}", account.pw_uid, account.pw_gid)
    return Identity(f"namespace:{_NOBODY}:{_NOBODY}", 0, os.getegid())


def _is_mapped(number: int, kind: str) -> bool:
    """Whether the user or group exists for the kernel; a container without privileges may know root alone."""
    try:
        text = Path(f"/proc/self/{kind}_map").read_text("ascii")
    except FileNotFoundError:
        return True
    ranges = [[int(word) for word in line.split()] for line in text.splitlines()]
    return any(first <= number < first + count for first, _, count in ranges)


def can_enter(identity: Identity, directory: Path) -> bool:
    """Whether the server can go down to a directory that this process can enter itself."""
    return ":" not in identity.word or identity.uid == 0 or _enters(identity.uid, identity.gid, directory.resolve())


def _enters(uid: int, gid: int, path: Path) -> bool:
    """Whether the mode bits let the user go down to the directory; access lists only make us more careful."""
    for directory in (path, *path.parents):
        status = directory.stat()
        if status.st_uid == uid:
            needed = stat.S_IXUSR
        elif status.st_gid == gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def give(path: Path, identity: Identity) -> None:
    """Make the identity own a file or a whole directory tree of ours, unless it owns its top already.

    :raises OSError: root lacks the right to, as in some containers.
    """
    status = path.lstat()
    if (status.st_uid, status.st_gid) == (identity.uid, identity.gid) or os.geteuid() != 0:
        return
    for parent, directories, files in os.walk(path):
        for name in (*directories, *files):
            os.chown(os.path.join(parent, name), identity.uid, identity.gid, follow_symlinks=False)
    # The top comes last: it says that the rest is done.
    os.chown(path, identity.uid, identity.gid, follow_symlinks=False)
