"""What is lost when a cluster is killed while it embeds planes for a command: nothing.

    python benchmarks/lost_cluster.py [--only embed segment ...] [--kill scheduler]

Each command runs twice: on this machine, and with a Dask scheduler and a worker in
processes of their own. These are killed once the worker has computed for some seconds.
It prints how the command ended, what it said, and how much of what it wrote is the
same. With `--slow BYTES` a plane is embedded over a link of so many bytes a second.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import tifffile

import napari_sam

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from dask_cluster import Cluster

COMMANDS = {
    "embed": ["embed", "film.tif"],
    "segment": ["segment", "images"],
    "segment-volume": ["segment-volume", "volume.tif"],
    "track": ["track", "film.tif", "--model", "cells"],
}


def write_images(folder: Path) -> None:
    """Write what the commands work on, made of the samples."""
    plane = napari_sam.load_sample("nuclei_2d")
    film = np.stack([np.roll(plane, 3 * t, axis=1) for t in range(10)])
    tifffile.imwrite(folder / "film.tif", film, metadata={"axes": "TYX"})
    (folder / "images").mkdir()
    for n in range(8):
        tifffile.imwrite(folder / "images" / f"{n}.tif", np.roll(plane, 5 * n, axis=0))
    volume = np.squeeze(napari_sam.load_sample("nuclei_3d"))[:12]
    tifffile.imwrite(folder / "volume.tif", volume, metadata={"axes": "ZYX"})


def run(
    words: list[str], folder: Path, cluster: Cluster | None, kill: str, seconds: float
) -> str:
    """Run a command, and kill its cluster in mid-work; return what it said at last."""
    command = [sys.executable, "-m", "napari_sam", *words]
    command += ["--device", "cpu" if cluster is None else cluster.address]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
    )
    if cluster is not None:
        start = cluster.seconds_of_workers()
        while process.poll() is None and (
            cluster.seconds_of_workers() - start < seconds
        ):
            time.sleep(0.02)
        when = "in mid-work" if process.poll() is None else "after its end"
        print(f"  killed {when}: the {kill}")
        (cluster.kill if kill == "scheduler" else cluster.kill_workers)()
    said = process.communicate()[0].replace("\r", "\n").strip().splitlines()
    for line in said:
        if "takes over" in line:
            print(f"  said: {line.partition('Warning: ')[2]}")
    return f"exit code {process.returncode}, {said[-1] if said else 'silent'}"


def same_share(one: Path, other: Path) -> str:
    """Compare the files of two folders, images by their pixels."""
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    images = [path for path in files if path.suffix == ".tif"]
    there = [path for path in files if (other / path).is_file()]
    told = f"{len(there)} of {len(files)} files are there"
    if not images:
        return told
    shares = [
        np.mean(tifffile.imread(one / path) == tifffile.imread(other / path))
        for path in images
    ]
    return f"{told}, {100 * min(shares):.2f} % of the pixels are the same at the least"


def try_command(name: str, folder: Path, kill: str, seconds: float) -> None:
    """Run a command here, and with a cluster that is killed."""
    print(name)
    words = COMMANDS[name]
    here, there = f"{name}-here", f"{name}-there"
    print(f"  here: {run([*words, '--out', here], folder, None, kill, seconds)}")
    cluster = Cluster()
    try:
        cluster.add_workers()
        told = run([*words, "--out", there], folder, cluster, kill, seconds)
    finally:
        cluster.kill()
    print(f"  there: {told}\n  {same_share(folder / here, folder / there)}", flush=True)


async def pump(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, rate: float
) -> None:
    """Pass on what comes, at so many bytes a second."""
    try:
        while data := await source.read(1 << 14):
            await asyncio.sleep(len(data) / rate)
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


def slow_address(address: str, rate: float) -> str:
    """Return the address of a slow link to a scheduler."""
    host, port = address.removeprefix("tcp://").split(":")
    kept = set()

    async def serve(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(host, int(port))
        for ends in ((source, there[1]), (there[0], target)):
            kept.add(asyncio.ensure_future(pump(*ends, rate)))

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    opened = asyncio.start_server(serve, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(opened, loop).result()
    return f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def try_slow_link(rate: float) -> None:
    """Embed planes over a slow link."""
    cluster = Cluster()
    try:
        cluster.add_workers()
        sam = napari_sam.load_model(device=slow_address(cluster.address, rate))
        plane = napari_sam.load_sample("nuclei_2d")
        for n in range(2):
            start = time.perf_counter()
            sam.embed(np.roll(plane, n), scale="whole")
            taken = time.perf_counter() - start
            print(f"a plane: {taken:.0f} s; {sam.remote.slowness or 'nothing said'}")
    finally:
        cluster.kill()


def main() -> None:
    """Try each command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--kill", choices=("workers", "scheduler"), default="workers")
    parser.add_argument("--seconds", type=float, default=2.5, help="of the worker")
    parser.add_argument("--slow", type=float, metavar="BYTES", help="a second")
    args = parser.parse_args()
    if args.slow:
        try_slow_link(args.slow)
        return
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name))
        for command in args.only:
            try_command(command, Path(name), args.kill, args.seconds)


if __name__ == "__main__":
    main()
