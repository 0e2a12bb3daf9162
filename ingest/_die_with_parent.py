"""Run a program that the kernel ends when our parent ends.

    python _die_with_parent.py PARENT_PID PROGRAM ARGS…

A program of its own rather than a function between fork and exec: after a fork in a
process with threads only async-signal-safe calls are allowed, which Python code is
not. Here a fresh single-threaded interpreter asks, then replaces itself by PROGRAM;
the wish survives that (it is dropped only for set-user-id programs).

Source: prctl(2), PR_SET_PDEATHSIG.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, program = int(arguments[0]), arguments[1]
    if sys.platform == "linux":
        # SIGTERM, so that the program ends in order.
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
        # Too late to be told if the parent has gone already.
        if os.getppid() != parent:
            sys.exit("the parent process has ended")
    os.execv(program, [program, *arguments[2:]])


if __name__ == "__main__":
    main(sys.argv[1:])
