"""Starts one PostgreSQL program as the right user and ties its life to its parent's.

Run as a script with nothing of ours importable: ``python -I -S launcher.py PARENT IDENTITY SIGNAL PROGRAM ARG...``

* ``PARENT``: process id of the daemon that must still be there;
* ``IDENTITY``: ``same`` keeps the user, ``uid:gid`` becomes that user, ``namespace:uid:gid`` stays the owner of its
  files for the host but sees itself as that user (PostgreSQL refuses to run as root);
* ``SIGNAL``: number of the signal that the program gets from the kernel when the daemon dies.
"""

from __future__ import annotations

import ctypes
import os
import sys

# Exit statuses that neither initdb nor postgres use.
ORPHANED = 70
REFUSED = 71

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def become(identity: str) -> None:
    """Change to the wished user.

    :raises OSError: the kernel, or what guards it, refuses.
    """
    if identity == "same":
        return
    if identity.startswith("namespace:"):
        _, uid, gid = identity.split(":")
        _enter_namespace(int(uid), int(gid))
        return
    uid, gid = identity.split(":")
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))


def _enter_namespace(uid: int, gid: int) -> None:
    owner, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {owner} 1"),
        ("gid_map", f"{gid} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def follow(parent: int, signal: int) -> None:
    """Ask the kernel for ``signal`` when the parent dies; leave at once when it has died already.

    Must come after the change of user, which makes the kernel forget the wish.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(ORPHANED)


def main(arguments: list[str]) -> None:
    """Become the program; returns only by an exception."""
    parent, identity, signal, program = arguments[:4]
    # Ctrl-C at the daemon's terminal is for the daemon, which stops its server when nothing needs it any more.
    os.setsid()
    os.umask(0o077)
    try:
        become(identity)
    except OSError as error:
        print(f"launcher: cannot become {identity}: {error}", file=sys.stderr)
        sys.exit(REFUSED)
    follow(int(parent), int(signal))
    os.execv(program, [program, *arguments[4:]])


if __name__ == "__main__":
    main(sys.argv[1:])
