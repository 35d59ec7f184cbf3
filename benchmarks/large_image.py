"""Segment a large field of real images with ``napari-sam segment``, and measure it.

    python benchmarks/large_image.py --images DIR --side 4096 --workers 1 2

makes an OME-Zarr field of SIDE x SIDE pixels out of the images of a folder (each turned
and mirrored at random), segments it with each number of workers at one thread each, and
tells seconds, tiles per second, and the highest memory of all processes together.
0 workers: in the command's own process. The field is deleted afterwards.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import psutil
import zarr

import napari_sam
from napari_sam.evaluation.instances import overlap_labels, score_overlaps
from napari_sam.inference.tiling import tile_plane
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.workflows.blocks.block_run import BlockRun

CHUNK = 1024
FRAME = 1024
SEED = 0


def make_field(folder: Path, images: Path, side: int) -> Path:
    """Write a field of the images of a folder, chunk by chunk."""
    from ome_zarr.writer import write_multiscales_metadata

    rng = np.random.default_rng(SEED)
    pool = [np.asarray(iio.imread(path)) for path in sorted(images.glob("*"))]
    pool = [im for im in pool if im.ndim == 2 and min(im.shape) >= 256]
    group = zarr.open_group(str(folder), mode="w")
    array = group.create_array(
        "0", shape=(side, side), dtype="uint8", chunks=(CHUNK, CHUNK)
    )
    for row in range(0, side, CHUNK):
        band = np.zeros((CHUNK, side), np.uint8)
        for top in range(0, CHUNK, 256):
            for left in range(0, side, 256):
                image = np.rot90(pool[rng.integers(len(pool))], rng.integers(4))
                at = [rng.integers(n - 255) for n in image.shape]
                part = image[at[0] : at[0] + 256, at[1] : at[1] + 256]
                part = part[:, ::-1] if rng.random() < 0.5 else part
                high = float(np.percentile(part, 99.8)) or 1.0
                part = np.clip(part.astype(float) * (200 / max(high, 40.0)), 0, 255)
                wide = min(256, side - left)
                band[top : top + 256, left : left + wide] = part[:, :wide]
        array[row : row + CHUNK] = band[: min(CHUNK, side - row)]
    scale = [{"type": "scale", "scale": [0.5, 0.5]}]
    write_multiscales_metadata(
        group,
        [{"path": "0", "coordinateTransformations": scale}],
        axes=["y", "x"],
        axes_units={"y": "micrometer", "x": "micrometer"},
    )
    return folder


class Memory(threading.Thread):
    """Watches how much memory a process and its children hold together."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.highest = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Ask ten times a second; pages that processes share count once for each."""
        while not self.ended.wait(0.1):
            total = 0
            try:
                for one in [self.process, *self.process.children(recursive=True)]:
                    total += one.memory_info().rss
            except psutil.Error:
                continue
            self.highest = max(self.highest, total)


def count_tiles(run: BlockRun, shape: tuple[int, int]) -> int:
    """Count the model's frames of all blocks."""
    blocks = run.plan.grid(shape).blocks
    sizes = [(b.window[2] - b.window[0], b.window[3] - b.window[1]) for b in blocks]
    return sum(len(tile_plane(size, FRAME, run.plan.scale)) for size in sizes)


def measure(
    field: Path, out: Path, workers: int, options: list[str]
) -> dict[str, object]:
    """Run the command once."""
    command = [sys.executable, "-m", "napari_sam", "segment", str(field)]
    command += ["--out", str(out), *options]
    command += ["--workers", str(workers)] if workers else []
    start = time.monotonic()
    process = subprocess.Popen(command)
    memory = Memory(process.pid)
    memory.start()
    begun, tiles, recipe = None, 0, {}
    run_file = out.with_name(f"{out.name}.blocks") / "run.json"
    while process.poll() is None:
        if begun is None and run_file.exists():
            begun = time.monotonic()
            run = BlockRun(run_file.parent)
            tiles = count_tiles(run, open_array(ArraySource(str(field))).shape)
            recipe = json.loads(run_file.read_text())["recipe"]
        time.sleep(0.05)
    memory.ended.set()
    end = time.monotonic()
    if process.returncode or begun is None:
        raise SystemExit(f"the command ended with {process.returncode}")
    return {
        "workers": workers,
        "seconds": round(end - start, 1),
        "of blocks and stitching": round(end - begun, 1),
        "tiles": tiles,
        "tiles per second": round(tiles / (end - begun), 3),
        "peak memory, GB": round(memory.highest / 1e9, 2),
        **{name: recipe[name] for name in ("scale", "sides", "halo")},
    }


def compare(field: Path, labels: np.ndarray) -> None:
    """Match the objects of blocks with those of the field in one piece."""
    image = zarr.open_array(str(field / "0"), mode="r")[:]
    whole = napari_sam.segment(
        image, model=napari_sam.load_model("cells", device="cpu")
    )
    pairs = overlap_labels(whole, labels)
    score = score_overlaps(pairs, np.ones(int(labels.max())))
    print(
        f"in one piece: {score.truths} objects; matched at IoU 0.5: "
        f"{score.matches[0]}, at 0.75: {score.matches[5]}"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, help="where the field lies meanwhile")
    parser.add_argument("--block", default="2048")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="also segment the field in one piece, and match the objects",
    )
    args = parser.parse_args()
    if args.folder is not None:
        Path(args.folder).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="field-", dir=args.folder))
    try:
        field = make_field(folder / "field.zarr", args.images, args.side)
        for workers in args.workers:
            out = folder / f"labels-{workers}.zarr"
            result = measure(field, out, workers, ["--block", args.block])
            print(json.dumps(result), flush=True)
        first, *others = (folder / f"labels-{n}.zarr" for n in args.workers)
        labels = zarr.open_array(str(first / "0"), mode="r")
        print("objects:", int(np.asarray(labels[:]).max()))
        for other in others:
            same = np.array_equal(labels[:], zarr.open_array(str(other / "0"))[:])
            print("the same labels:", same)
        if args.compare:
            compare(field, np.asarray(labels[:]).astype(np.int32))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
