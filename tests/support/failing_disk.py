"""A disk that fails, or a program that is killed, at the n-th change of a file."""

from __future__ import annotations

import contextlib
import errno
import os
import signal

CHANGES = (
    *("write", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir"),
    *("truncate", "ftruncate"),
)
"""Of `os`, those through which the library changes files, or waits for the disk."""


class Changes:
    """Counts the changes of files; at the n-th one something happens first.

    The disk is not waited for: what a process wrote is there when it is killed, and
    power is not cut in tests.

    Parameters
    ----------
    at
        Which one, from 1 up; 0 for none.
    happen
        Called before it with its arguments; may raise.
    lasting
        Whether it happens before all later ones as well.
    """

    def __init__(self, at, happen, lasting=False):
        self.at, self.happen, self.lasting = at, happen, lasting
        self.count = 0
        self._real = {name: getattr(os, name) for name in CHANGES}

    def __enter__(self):
        for name in CHANGES:
            setattr(os, name, self._counted(name))
        return self

    def __exit__(self, *_):
        for name, call in self._real.items():
            setattr(os, name, call)

    def _counted(self, name):
        real = self._real[name]

        def call(*args, **more):
            self.count += 1
            if self.count == self.at or (self.lasting and self.count > self.at > 0):
                if name == "write":  # half of it gets there
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                self.happen(name)
            return None if name == "fsync" else real(*args, **more)

        return call


def die(name):
    """End this process as ``kill -9`` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def be_full(name):
    """Have no room; names can still be removed and files cut."""
    if name not in ("unlink", "rmdir", "truncate", "ftruncate"):
        raise OSError(errno.ENOSPC, "No space left on device")


@contextlib.contextmanager
def full_disk(at):
    """Have no room from the n-th change on."""
    with Changes(at, be_full, lasting=True) as changes:
        yield changes
