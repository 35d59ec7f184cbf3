"""A Dask cluster in processes of its own, which can be killed.

Run as a program, it is a scheduler, or a worker of one, until its input is closed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psutil

__all__ = ["Cluster"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Cluster:
    """A scheduler, and the workers that are added to it.

    Parameters
    ----------
    certificates
        Folder with ca.pem, cert.pem and key.pem, for a cluster that speaks TLS.

    Attributes
    ----------
    address
        Of the scheduler.
    """

    def __init__(self, certificates: Path | None = None) -> None:
        self._certificates = [] if certificates is None else [str(certificates)]
        self._workers: list[subprocess.Popen[str]] = []
        self._scheduler = _start(["scheduler", "", *self._certificates], None)
        self.address = _first_line(self._scheduler)

    def add_workers(self, count: int = 1, folder: Path | None = None) -> None:
        """Add workers, and wait until the scheduler knows them.

        Parameters
        ----------
        count
            How many.
        folder
            With modules that their Python finds before others.
        """
        words = ["worker", self.address, *self._certificates]
        new = [_start(words, folder) for _ in range(count)]
        self._workers += new
        for process in new:
            _first_line(process)

    def seconds_of_workers(self) -> float:
        """Processor seconds that the workers have taken."""
        times = (psutil.Process(one.pid).cpu_times() for one in self._workers)
        return sum(time.user + time.system for time in times)

    def kill_worker(self) -> None:
        """Kill a worker, as when its machine goes down; it does not come back."""
        _end(self._workers.pop())

    def kill_first(self) -> None:
        """Kill the worker that has been there for the longest time."""
        _end(self._workers.pop(0))

    def kill_workers(self) -> None:
        """Kill all of them."""
        while self._workers:
            self.kill_worker()

    def kill(self) -> None:
        """Kill the scheduler, and the workers."""
        _end(self._scheduler)
        self.kill_workers()


def _start(words: list[str], folder: Path | None) -> subprocess.Popen[str]:
    places = [*([] if folder is None else [str(folder)]), str(HERE), str(ROOT)]
    return subprocess.Popen(
        [sys.executable, __file__, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(places),
            "OMP_NUM_THREADS": "1",
        },
    )


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"it did not start: exit code {process.wait()}")
    return line


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


async def _serve(role: str, address: str, certificates: str = "") -> None:
    from distributed import Scheduler, Worker
    from distributed.security import Security

    security, scheme = None, "tcp"
    if certificates:
        names = ("tls_ca_file", "tls_{}_cert", "tls_{}_key")
        files = ("ca.pem", "cert.pem", "key.pem")
        given = {
            name.format(side): str(Path(certificates, file))
            for side in ("scheduler", "worker")
            for name, file in zip(names, files, strict=True)
        }
        security, scheme = Security(require_encryption=True, **given), "tls"
    if role == "scheduler":
        place = {"host": f"{scheme}://127.0.0.1", "port": 0, "dashboard": False}
        made = Scheduler(**place, security=security)
    else:
        made = Worker(address, nthreads=1, security=security, dashboard=False)
    async with made:
        sys.stdout.write(f"{made.address}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
