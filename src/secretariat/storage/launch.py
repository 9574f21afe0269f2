"""Starts the database server as an unprivileged user; the kernel stops it when its supervisor dies.

Run as a script by storage/embedded.py with the interpreter alone (`-I -S`), so that it needs nothing that
the unprivileged user could not read: it drops its rights itself and then becomes the server.

usage: launch.py SUPERVISOR_PID UID GID SIGNAL COMMAND…   (UID -1: stay who we are)

SIGNAL is what it gets when its supervisor dies: PostgreSQL SIGINT, its fast shutdown; a node SIGTERM, because
SIGINT is an exception in Python, and one that is raised in a callback of an import is lost.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    supervisor, uid, gid, number = (int(word) for word in sys.argv[1:5])
    os.umask(0o077)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # A shell that started us in the background has it ignored, and what is ignored stays so beyond exec.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        # Set after setuid, which would clear it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != supervisor:
            sys.exit("the supervisor ended before the server began")
    os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606  the command is our own


main()
