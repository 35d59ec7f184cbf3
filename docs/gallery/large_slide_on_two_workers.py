"""Find every nucleus of a slide that is larger than memory, on two processes.

For whoever has whole slides. The slide is cut into blocks, each process (a worker)
does one block after the other, and objects that were cut apart are put together again.
After an interruption, the same command goes on where it was.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import zarr

import napari_sam

folder = Path(tempfile.mkdtemp())
slide = napari_sam.load_sample("nuclei_2d")[100:300]  # a tiny one, of two blocks
zarr.create_array(folder / "slide.zarr", data=slide, chunks=(200, 256))

# In a terminal: napari-sam segment slide.zarr --out labels.zarr --workers 2
command = [sys.executable, "-m", "napari_sam", "segment", folder / "slide.zarr"]
command += ["--out", folder / "labels.zarr", "--workers", "2"]
command += ["--block", "256"]  # without this, blocks are 2048 pixels across
subprocess.run(command, check=True)

labels = napari_sam.read_labels(folder / "labels.zarr")
print(f"{labels.max()} nuclei")

# The picture: the middle of the slide, where the two blocks meet.
part = slice(None), slice(106, 406)
napari_sam.write_overlay(
    "large_slide_on_two_workers.png", slide[part], labels[part], (4, 160)
)
